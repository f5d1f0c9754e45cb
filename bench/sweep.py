"""The tables of docs/findings/tokenizers.md, from what config/sweep.yaml wrote: `python -m bench.sweep`.

Figures are means over the seeds of a tokenizer. `±` is half the distance between the lowest and the highest seed, and
empty for one seed.
"""

import argparse
from pathlib import Path

import duckdb

SIZES = ("2x64", "3x16", "2x128", "2x256", "3x256", "3x512", "4x256")
# tokenizers that answer a question when they are compared, the second with the first
PAIRS = (
    *((f"rqkmeans_{size}", f"rqvae_{size}") for size in SIZES),
    ("rqkmeans_4x256", "rqkmeans_4x256-pca96"),
    ("rqkmeans_4x256-pca96", "rqvae_4x256"),
    ("rqvae_3x256", "rqvae_3x256-tiger"),
    ("rqvae_4x256", "rqvae_4x256-tiger"),
    ("vqvae_4096", "rqkmeans_2x64"),
    ("vqvae_4096", "rqkmeans_3x16"),
    ("vqvae_4096", "rqkmeans_3x256"),
    ("vqvae_4096", "rqkmeans_4x256"),
    ("vqvae_4096", "vqvae_1024"),
    ("vqvae_4096", "vqvae_8192"),
    ("rqkmeans_2x64", "rqkmeans_2x256"),
    ("rqkmeans_2x256", "rqkmeans_3x256"),
    ("rqkmeans_3x256", "rqkmeans_4x256"),
)

VIEWS = """
CREATE MACRO without_seed(tokenizer) AS regexp_replace(tokenizer, '-s[0-9]+$', '');
CREATE MACRO digits(figure) AS format('{{:.4f}}', figure);
CREATE MACRO spread(figure) AS CASE WHEN count(figure) > 1 THEN (max(figure) - min(figure)) / 2 END;
CREATE VIEW cards AS SELECT *, without_seed(tokenizer) AS name FROM read_csv('{folder}/tokenizers.csv');
CREATE VIEW evaluations AS SELECT *, without_seed(tokenizer) AS name FROM read_csv('{folder}/offline_eval.csv');
CREATE VIEW costs AS SELECT * FROM read_csv('{folder}/pareto.csv');
CREATE VIEW slices AS SELECT *, without_seed(tokenizer) AS name FROM read_csv('{folder}/slices.csv');
CREATE VIEW proxies AS
    SELECT * FROM read_csv('{folder}/proxies.csv', types = {{'spearman': 'double', 'p': 'double'}});
CREATE VIEW compared AS SELECT * FROM read_csv('{folder}/comparisons.csv') WHERE metric = 'recall@10';
CREATE VIEW pairs AS
    SELECT candidates, budget, tokenizer_b AS a, tokenizer_a AS b, difference, low, high, p_holm FROM compared
    UNION ALL
    SELECT candidates, budget, tokenizer_a, tokenizer_b, -difference, -high, -low, p_holm FROM compared;
"""

BUDGETS = (10, 50, 100, 500)
AT_BUDGETS = ", ".join(
    f"""digits(avg("recall@10") FILTER (candidates = 'probe' AND budget = {n})) AS "{n}" """ for n in BUDGETS
)
DIFFERENCES = "SELECT b AS first, a AS second, " + ", ".join(
    f"""format('{{:+.4f}} [{{:+.4f}}, {{:+.4f}}]',
        any_value(difference) FILTER (budget = {n}), any_value(low) FILTER (budget = {n}),
        any_value(high) FILTER (budget = {n})) AS "{n} candidates",
        format('{{:.3f}}', any_value(p_holm) FILTER (budget = {n})) AS "p of {n}" """
    for n in (10, 100, 500)
)
PAIR_VALUES = ", ".join(f"('{a}', '{b}', {place})" for place, (a, b) in enumerate(PAIRS))
SLICES = ("all", "head", "middle", "tail", "cold", "short_history", "long_history", "untied")
BY_SLICE = ", ".join(f"""digits(avg("recall@10") FILTER (slice = '{name}')) AS "{name}" """ for name in SLICES)
PEER_BUDGETS = ", ".join(f"""digits(avg("recall@10") FILTER (budget = {n})) AS "of {n}" """ for n in BUDGETS)

TABLES = {
    "Recall at equal candidates": f"""
        SELECT name AS tokenizer, format('{{:g}}', any_value(bits)::double) AS bits,
               format('{{:.3f}}', any_value(unique_share)) AS "unique codes",
               format('{{:.0f}} %', any_value(sharing)) AS "items that share a code",
               format('{{:.3f}}', any_value(error)) AS error, {AT_BUDGETS}, count(DISTINCT seed) AS seeds,
               digits(spread(CASE WHEN candidates = 'probe' AND budget = 100 THEN "recall@10" END)) AS "± of 100"
        FROM evaluations
        JOIN (SELECT name, avg(unique_codes) AS unique_share, 100 * avg(items_in_collisions / items) AS sharing,
                     avg(relative_error) AS error FROM cards GROUP BY name) USING (name)
        GROUP BY name ORDER BY any_value(bits), name""",
    "The same for the peers": f"""
        SELECT candidates AS peer, format('{{:.0f}}', any_value(bits)::double) AS bits, {PEER_BUDGETS}
        FROM costs WHERE tokenizer = 'peers' GROUP BY candidates ORDER BY candidates""",
    "Without tokenizers": """
        SELECT candidates AS control, digits("recall@10") AS "recall@10",
               format('[{:.4f}, {:.4f}]', "recall@10_low", "recall@10_high") AS "95 %"
        FROM evaluations WHERE tokenizer = 'controls'""",
    "Which differences are real": f"""
        {DIFFERENCES}
        FROM pairs JOIN (VALUES {PAIR_VALUES}) AS asked(a, b, place) USING (a, b)
        WHERE candidates = 'probe' GROUP BY a, b, place ORDER BY place""",
    "Pairs that differ (p < 0.05)": """
        SELECT candidates, budget, count(*) AS pairs, sum((p_holm < 0.05)::int) AS differ
        FROM compared GROUP BY candidates, budget ORDER BY candidates, budget""",
    "Pairs that do not, at 100 candidates": """
        SELECT tokenizer_a AS first, tokenizer_b AS second,
               format('{:+.4f} [{:+.4f}, {:+.4f}]', difference, low, high) AS difference, format('{:.3f}', p_holm) AS p
        FROM compared WHERE candidates = 'probe' AND budget = 100 AND p_holm >= 0.05
        ORDER BY mean_a DESC, mean_b DESC""",
    "What a shared code finds": """
        SELECT name AS tokenizer,
               format('{:.1f}', avg(avg_cand_size) FILTER (candidates = 'exact')) AS "exact: candidates",
               digits(avg("recall@10") FILTER (candidates = 'exact')) AS "Recall@10",
               format('{:.0f}', avg(avg_cand_size) FILTER (candidates = 'prefix')) AS "prefix: candidates",
               digits(avg("recall@10") FILTER (candidates = 'prefix')) AS "its Recall@10",
               digits(avg("recall@10_code") FILTER (candidates = 'prefix')) AS "by code",
               format('{:.2f}', avg("recall@10_inflation") FILTER (candidates = 'prefix')) AS factor
        FROM evaluations WHERE tokenizer <> 'controls' GROUP BY name ORDER BY any_value(bits), name""",
    "Which figure foretells recall": """
        SELECT figure, format('{:+.2f}', any_value(spearman) FILTER (candidates = 'probe')) AS "probe, 100 candidates",
               format('{:.4f}', any_value(p) FILTER (candidates = 'probe')) AS p,
               format('{:+.2f}', any_value(spearman) FILTER (candidates = 'prefix')) AS prefix,
               format('{:.4f}', any_value(p) FILTER (candidates = 'prefix')) AS "its p"
        FROM proxies GROUP BY figure ORDER BY abs(any_value(spearman) FILTER (candidates = 'probe')) DESC, figure""",
    "For whom": f"""
        SELECT CASE tokenizer WHEN 'controls' THEN candidates ELSE name END AS tokenizer, {BY_SLICE}
        FROM slices WHERE tokenizer = 'controls' OR candidates = 'probe' AND budget = 100 GROUP BY ALL ORDER BY ALL""",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.sweep", description="Print the tables of docs/findings/tokenizers.md."
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="the folder of the CSV files")
    arguments = parser.parse_args()
    for title, table in tables(arguments.results).items():
        print(f"## {title}\n\n{table}")


def tables(folder: Path) -> dict[str, str]:
    """Return each table of `TABLES` in Markdown, by its title, from the CSV files in `folder`."""
    with duckdb.connect() as connection:
        connection.execute(VIEWS.format(folder=folder))
        return {title: as_markdown(connection.execute(query)) for title, query in TABLES.items()}


def as_markdown(result: duckdb.DuckDBPyConnection) -> str:
    """Return the result of a query as a table, its first column aligned to the left."""
    names = [column[0] for column in result.description]
    lines = [names, ["---", *["---:"] * (len(names) - 1)], *result.fetchall()]
    return "".join("| " + " | ".join("" if cell is None else str(cell) for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    main()
