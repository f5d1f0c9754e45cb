"""`report.html`: figures, tables and explorers of a run in one page that needs nothing else."""

import base64
import gzip
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from semid.files import write_text
from semid.report.earlier_tables import earlier_tables
from semid.report.explorer import Explored, explore, shared_limits
from semid.report.figures import Figure, plain_values
from semid.report.headline import Best, Finding, best_of, findings
from semid.report.of_dataset import figures_of
from semid.report.results import TABLES, DatasetResults, Results
from semid.report.tables import (
    Table,
    compared,
    dropped_table,
    front_table,
    level_table,
    recall_table,
    scorecard_table,
    share,
)
from semid.report.usage import level_rows

_DATA_FILES = (
    "page.html",
    "page.css",
    "scales.js",
    "charts.js",
    "lines.js",
    "rows.js",
    "explorer.js",
    "map.js",
    "page.js",
)

# What the browser would take for the end of a script, for markup, or for the end of a line, as JSON may write it.
_ESCAPED = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})
FRONTS = {"on_candidates_front": "for its candidates", "on_time_front": "for its time"}


@dataclass(frozen=True)
class Section:
    """A section of the page.

    anchor: its id; short: its name in the table of contents; source: what it is made from; figure, explorer: the ids of
    what it shows; tables: those below.
    """

    anchor: str
    title: str
    short: str
    caption: str
    source: str = ""
    figure: str = ""
    tables: Sequence[Table] = ()
    explorer: str = ""


@dataclass(frozen=True)
class DatasetPage:
    """What the page says of a dataset."""

    name: str
    anchor: str
    title: str
    note: str
    best: Sequence[Best]
    findings: Sequence[Finding]
    sections: Sequence[Section]


@dataclass
class _Parts:
    """What is collected for the end of the page: figures by their ids, and packed explorers by theirs."""

    figures: dict[str, Figure] = field(default_factory=dict)
    explorers: dict[str, str] = field(default_factory=dict)


def write_report(
    results: str | Path, output: str | Path, tables: Collection[str] = tuple(TABLES), layout: str = "auto"
) -> None:
    """Write the page of the run whose results lie in a folder; `data/` and `benchmarks/` are looked for beside it.

    tables: the names of those that belong to the run; layout: that of the map, `auto`, `principal` or `umap`. Raises
    `InputError` where a run has no table of tokenizers or generators, for files that are broken or of different runs,
    and for a layout that is not known or not installed.
    """
    write_text(output, report_page(Results.read(results, tables), layout))


def report_page(results: Results, layout: str = "auto") -> str:
    """Return the page as HTML."""
    parts = _Parts()
    limits = shared_limits(results)
    datasets = [
        _dataset_page(dataset, f"d{number}", results.colours, explore(dataset, *limits, layout), parts)
        for number, dataset in enumerate(results.datasets)
    ]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"share": share, "compared": compared}
    template, css, *scripts = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in _DATA_FILES)
    figures = {anchor: plain_values(figure) for anchor, figure in parts.figures.items()}
    return environment.from_string(template).render(
        css=Markup(css),
        scripts=Markup("\n".join(scripts)),
        figures=Markup(escaped_json(figures)),
        explorers=parts.explorers,
        datasets=datasets,
        provenance=list(_provenance(results.manifest)),
    )


def escaped_json(content: Any) -> str:
    """Return JSON that stands in a page as text, whatever its strings are: it has no `<`, `>` or `&`."""
    return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).translate(_ESCAPED)


def packed(content: Any) -> str:
    """Return JSON as gzip in base64, for what the browser unpacks when it is looked at."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()


def _dataset_page(
    dataset: DatasetResults, anchor: str, colours: Mapping[str, int], explored: Explored | None, parts: _Parts
) -> DatasetPage:
    sections = [
        section
        for section in _sections(dataset, anchor, colours, explored, parts)
        if section.figure or section.tables or section.explorer
    ]
    title = "Codes without an evaluation: nothing says yet which of them are good"
    return DatasetPage(dataset.name, anchor, title, dataset.note, list(best_of(dataset)), findings(dataset), sections)


def _sections(
    dataset: DatasetResults, anchor: str, colours: Mapping[str, int], explored: Explored | None, parts: _Parts
) -> Iterator[Section]:
    """Yield the sections in their order, also those that turn out to be empty."""

    figures = figures_of(dataset, colours, explored)

    def shown(name: str, short: str, *tables: Table | None) -> Iterator[Section]:
        if name in figures:
            figure, place = figures[name], f"{anchor}-{name}"
            parts.figures[place] = figure
            yield Section(place, figure.title, short, figure.caption, figure.source, place, [*filter(None, tables)])

    sizes, codebooks = (explored.sizes, explored.codebooks) if explored else ({}, {})
    yield from shown("recall", "Recall", recall_table(dataset), front_table(dataset, FRONTS))
    yield from shown("generators", "Generators")
    yield from shown("comparisons", "Differences")
    yield from shown("generator-comparisons", "Generator differences")
    yield from shown("slices", "Slices")
    scorecards = scorecard_table(dataset)
    if scorecards:
        caption = "What the codes keep and lose, before anybody is asked for a recommendation."
        yield Section(f"{anchor}-scorecards", "Scorecards", "Scorecards", caption, "tokenizers.csv", "", [scorecards])
    yield from shown("usage", "Use of codes", level_table(level_rows(dataset, sizes, codebooks)))
    if explored:
        parts.explorers[f"{anchor}-explorer-data"] = packed(explored.content)
        yield _explorer_section(anchor, explored)
    tables = earlier_tables(dataset)
    if "drift" in figures:
        yield from shown("drift", "New items", *tables)
    elif tables:
        caption = "What the run says of the IDs that were given out before it."
        source = "<tokenizer>/drift.csv, <tokenizer>/churn.csv"
        yield Section(f"{anchor}-drift", "New items and earlier IDs", "New items", caption, source, "", tables)
    yield from shown("training", "Training")
    yield from shown("generator-training", "Generator training")
    yield from shown("proxies", "Proxies")
    yield from shown("proxies-points", "Figures and recall")
    yield from shown("cost", "Cost")
    yield from shown("funnel", "Data", dropped_table(dataset))


def _explorer_section(anchor: str, explored: Explored) -> Section:
    sampled = (
        "All items are here by name."
        if explored.shown == explored.items
        else f"Sizes, errors and categories are those of all {explored.items:,} items; {explored.shown:,} of them, "
        "drawn at random with seed 0, are here by name and can be found."
    )
    caption = (
        "Open a code to see what is below it, or search an item to see its ID and who shares it. A code shows how many "
        "items it has, its commonest category and the mean error of decoding. "
    )
    if explored.content["map"]:
        caption += _of_map(explored.content["map"])
    caption += sampled
    return Section(
        f"{anchor}-explorer",
        "Inside the codes",
        "Explorer",
        caption,
        "<tokenizer>/items.parquet",
        explorer=f"{anchor}-explorer-data",
    )


def _of_map(content: Mapping[str, Any]) -> str:
    if content["layout"] == "umap":
        return (
            "The map lays items out by UMAP: items with similar embeddings lie together, and how far groups are from "
            "each other says little. "
        )
    return (
        "The map lays items out along the two principal directions of their embeddings, which hold "
        f"{content['share']:.0%} of the variance: what is far apart there is far apart, what is near may not be. "
    )


def _provenance(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what the manifest of the run says of where its numbers come from."""
    code = manifest.get("code", {})
    if code:
        commit = code.get("git") or {}
        changed = " with changes" if commit.get("modified") else ""
        yield "semid", f"{code['version']}{', commit ' + commit['commit'][:10] + changed if commit else ''}"
    machine, software = manifest.get("machine", {}), manifest.get("software", {})
    if machine:
        yield (
            "machine",
            f"{machine.get('processor', '')}, {machine.get('cores', '?')} cores, {machine.get('platform', '')}",
        )
    if software:
        yield "Python", software.get("python", "")
    if manifest.get("written"):
        yield "tables written", manifest["written"]
