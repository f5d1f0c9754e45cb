"""Write docs/findings.md from the tables of docs/findings/: `python -m bench.findings`.

With `--results` the tables are gathered first from the results of the sweep. Every figure of the page, and what a
sentence says of it, comes from the tables: a test writes the page again and compares.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from bench import strategies
from bench.cells import gather
from bench.questions import BEST, DATASETS, HEADLINES, QUESTIONS, SMALL, Question
from bench.sentences import SIGNIFICANT, Finding, Tables, p_text, with_minus
from semid.analysis.paired_tests import holm
from semid.files import write_text

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGE, TABLES = DOCS / "findings.md", DOCS / "findings"
TEMPLATE = Path(__file__).with_name("findings.template.md")
MEASURES = {
    "retrieval": "100 candidates, reranked",
    "generate": "IDs that a generator writes",
    "dense": "items that a generator scores",
}
WHICH = {"all": "all", "of embeddings": "those whose codes are made of embeddings"}
NAMES = {"retrieval": "retrieval", "generate": "written", "dense": "scored"}


def page(tables: Tables) -> str:
    """Return the page in Markdown."""
    sections = {
        "in_short": _in_short,
        "questions": _questions,
        "tokenizers": _tokenizers,
        "generators": _generators,
        "foretold": _foretold,
        "ablations": _ablations,
        "shared": _shared,
        "slices": _slices,
        "equal": _equal,
        "missing": _missing,
        "spreads": _spreads,
    }
    return TEMPLATE.read_text(encoding="utf-8").format(
        **{name: section(tables).strip("\n") for name, section in sections.items()}
    )


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, its first column aligned to the left."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _in_short(tables: Tables) -> str:
    answers = answered(tables)
    sections = {
        title: [_named(question, answers[question]) for question in asked if question in answers]
        for title, asked in HEADLINES.items()
    }
    sections["Which tokenizer?"].insert(0, _ahead_of_best(tables))
    sections["What is each part of the generator worth?"] = list(_parts(tables))
    sections["Which cheap figure foretells what a generator finds?"] = list(_foretellers(tables))
    return "\n".join(
        f"**{title}**\n\n" + "".join(f"- {sentence}.\n" for sentence in sentences)
        for title, sentences in sections.items()
        if sentences
    )


def _ahead_of_best(tables: Tables) -> str:
    """Say which tokenizers find more than the one to begin with, of all pairs, their p values corrected together."""
    said = []
    for measure, text in MEASURES.items():
        # other generators, and those that know no IDs, are no tokenizers
        end = "" if measure == "retrieval" else SMALL
        best = BEST + end
        ahead = []
        for dataset, name in DATASETS.items():
            for pair in tables.findings(dataset, measure, "p_holm"):
                sign = {pair.first: -1, pair.second: 1}.get(best, 0)
                other = pair.first if sign > 0 else pair.second
                if pair.differs() and sign * pair.difference > 0 and other.endswith(end):
                    ahead.append(f"`{other.removesuffix(end)}` on {name}")
        said.append(f"{text}: {', '.join(ahead) or 'nothing'}")
    return f"Begin with `{BEST}`. What finds more than it, on any of the catalogues, is, by {'; by '.join(said)}"


def _named(question: Question, answer: Finding) -> str:
    # the measure says that generators are compared
    return f"{DATASETS[question[0]]}, {MEASURES[question[1]]}: {answer.sentence().replace(SMALL, '')}"


def answered(tables: Tables) -> dict[Question, Finding]:
    """Return the answers to all questions of whose subjects there are results, their p values corrected.

    The questions of one dataset and measure are a family (Holm, 1979), those included that have no answer yet.
    """
    found: dict[Question, Finding] = {}
    families: dict[tuple[str, str], list[Question]] = {}
    for question in dict.fromkeys(one for asked in QUESTIONS.values() for one in asked):
        families.setdefault(question[:2], []).append(question)
    for family in families.values():
        answers = [tables.finding(*question) for question in family]
        corrected = holm(np.array([answer.p if answer else 1.0 for answer in answers]))
        found |= {
            question: replace(answer, p=float(p))
            for question, answer, p in zip(family, answers, corrected, strict=True)
            if answer
        }
    return found


def _questions(tables: Tables) -> str:
    answers = answered(tables)
    head = ("first", "second", "catalogue", "measure", "difference", "p")
    parts = []
    for title, asked in QUESTIONS.items():
        rows = []
        for question in asked:
            if question in answers:
                answer = answers[question]
                bold = "**" if answer.differs() else ""
                names = (f"`{name}`" for name in (answer.first, answer.second))
                of = (DATASETS[question[0]], NAMES[question[1]])
                rows.append([*names, *of, f"{bold}{answer.interval()}{bold}", p_text(answer.p)])
        parts.append(f"### {title}\n\n{markdown(head, rows) if rows else 'Not run yet.'}\n")
    return "\n".join(parts)


def _foretellers(tables: Tables) -> Iterator[str]:
    for measure, which in ((measure, which) for measure in ("generate", "dense", "retrieval") for which in WHICH):
        rows = tables.correlations("beauty", measure, which)
        place = f"{MEASURES[measure]}, {rows[0]['tokenizers']} tokenizers ({WHICH[which]})"
        sure = [row for row in rows if float(row["p_holm"]) < SIGNIFICANT]
        said = ", ".join(f"`{row['figure']}` {_correlation(row)}" for row in sure[:3]) or "no figure, after correction"
        more = f", and {len(sure) - 3} more" if len(sure) > 3 else ""
        named = {row["figure"]: _correlation(row) for row in rows}
        others = ", ".join(f"`{name}` has {named[name]}" for name in ("relative_error", "unique_codes"))
        yield f"{place}: {said}{more}; {others}"


def _correlation(row: dict[str, str]) -> str:
    return with_minus(f"{float(row['spearman']):+.2f}") + f" (p {p_text(float(row['p_holm']))})"


def _tokenizers(tables: Tables) -> str:
    parts = []
    for dataset, name in DATASETS.items():
        cards = {row["tokenizer"]: row for row in tables.tokenizers if row["dataset"] == dataset}
        rows = []
        for value in tables.measured(dataset, "retrieval"):
            card = cards[value["subject"]]
            rows.append(
                [
                    f"`{value['subject']}`",
                    f"{float(card['bits']):.0f}",
                    f"{float(card['unique_codes']):.3f}",
                    f"{float(card['items_in_collisions']) / float(card['items']):.0%}".replace("%", " %"),
                    f"{float(card['relative_error']):.3f}" if card["relative_error"] else "",
                    *_value(value),
                ]
            )
        head = ("tokenizer", "bits", "unique codes", "share an ID", "error", "Recall@10", "95 %", "trainings")
        parts.append(f"### {name}\n\n{markdown(head, rows)}")
    return "\n".join(parts)


def _value(value: dict[str, str]) -> tuple[str, str, str]:
    mean, low, high = (float(value[name]) for name in ("mean", "low", "high"))
    return f"{mean:.4f}", f"{low:.4f}–{high:.4f}", value["trainings"]


def _generators(tables: Tables) -> str:
    parts = []
    for dataset, name in DATASETS.items():
        written = {row["subject"]: row for row in tables.measured(dataset, "generate")}
        rows = []
        for scored in tables.measured(dataset, "dense"):
            subject = scored["subject"]
            here = _value(written[subject])[:2] if subject in written else ("", "")
            rows.append([f"`{subject}`", *here, *_value(scored)])
        head = ("generator", "written: Recall@10", "95 %", "scored: Recall@10", "95 %", "trainings")
        parts.append(f"### {name}\n\n{markdown(head, rows)}")
    return "\n".join(parts)


def _foretold(tables: Tables) -> str:
    names = [row["figure"] for row in tables.correlations("beauty", "generate", "all")]
    rows = []
    for figure in names:
        cells = [f"`{figure}`"]
        for which in WHICH:
            for measure in MEASURES:
                found = [row for row in tables.correlations("beauty", measure, which) if row["figure"] == figure]
                cells.append(_correlation(found[0]) if found else "")
        rows.append(cells)
    head = ("figure", *(f"{name}, {which}" for which in WHICH for name in NAMES.values()))
    return markdown(head, rows)


@cache
def _generators_of_sweep() -> dict[str, dict[str, object]]:
    generators: dict[str, dict[str, object]] = yaml.safe_load((ROOT / "config/sweep.yaml").read_text())["generators"]
    return generators


def _changed(subject: str) -> str:
    """Return the option by which a generator differs from `generator-small`, and its tokenizer if that is another."""
    tokenizer, generator = subject.split("/")
    options = {name: value for name, value in _generators_of_sweep()[generator].items() if name != "epochs"}
    texts = (f"`{name}: {value if isinstance(value, str) else json.dumps(value)}`" for name, value in options.items())
    return ", ".join(texts) + ("" if tokenizer == BEST else f" on `{tokenizer}`")


def _parts(tables: Tables) -> Iterator[str]:
    """Say which options change what `generator-small` finds, and of which no difference is shown."""
    for measure in ("generate", "dense"):
        found = [Finding.of(row, "p_holm") for row in tables.ablations if row["measure"] == measure]
        sides = (("more", [one for one in found if one.differs() and one.difference > 0]),)
        sides += (("less", [one for one in found if one.differs() and one.difference < 0]),)
        said = [
            f"{side} with {', '.join(f'{_changed(one.first)} ({one.figures()})' for one in ones)}"
            for side, ones in sides
            if ones
        ]
        if equal := ", ".join(_changed(one.first) for one in found if not one.differs()):
            said.append(f"no difference is shown with {equal}")
        if said:
            yield f"Beauty, {MEASURES[measure]}: {'; '.join(said)}"


def _ablations(tables: Tables) -> str:
    found: dict[str, dict[str, str]] = {}
    for row in tables.ablations:
        finding = Finding.of(row, "p_holm")
        bold = "**" if finding.differs() else ""
        found.setdefault(finding.first, {})[row["measure"]] = f"{bold}{finding.figures()}{bold}"
    rows = [[_changed(name), *(of.get(measure, "") for measure in ("generate", "dense"))] for name, of in found.items()]
    return markdown(("changed", "written: difference", "scored: difference"), rows)


def _shared(tables: Tables) -> str:
    head = ("tokenizer", "exact: candidates", "Recall@10", "prefix: candidates", "Recall@10", "by code", "factor")
    return markdown(head, strategies.strategy_rows(tables.strategies, "beauty"))


def _slices(tables: Tables) -> str:
    head = ("", *(name.replace("_", " ") for name in strategies.SLICES))
    return markdown(head, strategies.slice_rows(tables.slices, "beauty"))


def _equal(tables: Tables) -> str:
    lines = []
    for dataset, name in DATASETS.items():
        for measure, text in MEASURES.items():
            found = list(tables.findings(dataset, measure, "p_holm"))
            equal = [pair for pair in found if not pair.differs()]
            lines.append(f"- {name}, {text}: no difference is shown between {len(equal)} of {len(found)} pairs.")
            if dataset == "beauty" and measure != "retrieval":
                lines += [f"  - `{pair.first}`, `{pair.second}`: {pair.figures()}" for pair in equal]
    return "\n".join(lines)


def _spreads(tables: Tables) -> str:
    return ", ".join(
        f"{NAMES[row['measure']]} {float(row['deviation']):.4f} ({row['degrees']} degrees of freedom)"
        for row in tables.spreads
    )


def _missing(tables: Tables) -> str:
    if not tables.missing:
        return "All cells of config/sweep.yaml have results."
    names = ", ".join(f"`{row['cell']}` ({DATASETS[row['dataset']]})" for row in tables.missing)
    return f"{len(tables.missing)} cells of config/sweep.yaml have no results here: {names}."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.findings", description="Write docs/findings.md.")
    parser.add_argument(
        "--results", type=Path, help="first gather the tables from the results of the sweep in this folder"
    )
    arguments = parser.parse_args()
    if arguments.results:
        gather(arguments.results, TABLES)
        strategies.gather(arguments.results, TABLES)
    write_text(PAGE, page(Tables(TABLES)))


if __name__ == "__main__":
    main()
