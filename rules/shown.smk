"""Gives rules what the report of a run is made from, and what marks outputs for Snakemake's own report:
`snakemake --report report.html` has them with the captions in rules/captions.
"""

from semid.planning import tables_of_run
from semid.report.registry import FIGURES


def shown_figure(name):
    """Return the file of a figure of the run."""
    return report(
        f"results/figures/{name}.svg",
        caption=f"captions/{name}.rst",
        category="Figures",
        subcategory=FIGURES[name].category,
        labels={"figure": FIGURES[name].title},
    )


def shown_table(path, of="the run"):
    """Return the path of a table; of: whose table it is, which may name wildcards."""
    name = Path(path).stem
    return report(
        path,
        caption=f"captions/tables/{name}.rst",
        category="Tables",
        labels={"table": f"{name}.csv", "of": of},
    )


def shown_files():
    """Return the inputs of the report: what a run must have made before it is shown."""
    return {
        "tables": lambda wildcards: explained(tables_of_run, datasets, generators),
        "earlier": lambda wildcards: explained(tokenizers.comparisons_with_earlier),
        "codes": lambda wildcards: explained(tokenizers.per_tokenizer, "items.parquet"),
        "models": lambda wildcards: [
            file
            for dataset in config["run"]["datasets"]
            for tokenizer in explained(tokenizers.of_run)
            for file in explained(tokenizers.model_files, dataset, tokenizer).values()
        ],
        "catalogues": expand("data/{dataset}/items.parquet", dataset=config["run"]["datasets"]),
        "stats": expand("data/{dataset}/stats.json", dataset=config["run"]["datasets"]),
        "embeddings": lambda wildcards: [
            file
            for dataset in config["run"]["datasets"]
            for file in (
                f"results/{dataset}/embeddings/manifest.json",
                *explained(datasets.embedding_parts, dataset),
            )
        ],
    }
