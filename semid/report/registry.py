"""The figures of a run that are written as files, by the name that they have on the page. Standard library only:
Snakemake imports it while planning.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

# What a run must have for a figure; `codes` is what every run has.
Need = Literal["codes", "evaluation", "pairs", "generators", "histories", "earlier"]
MAP = "map"


@dataclass(frozen=True)
class StaticFigure:
    """A figure as a file.

    title: its heading; note: how to read it; source: the tables that it is made from; category: under which Snakemake's
    report has it; needs: what a run must have for it; panels: the most variants of the figure that are drawn, the first
    ones, of each dataset; columns: the most panels beside each other; by_group: whether each group of rows has a panel.
    empty: what is said where a dataset has nothing to show.
    """

    title: str
    note: str
    source: str
    category: str
    needs: Need = "codes"
    panels: int = 1
    columns: int = 3
    by_group: bool = False
    empty: str = "There is nothing to show."


INTERVALS = "Bars are 95 % intervals over users."
FIGURES: dict[str, StaticFigure] = {
    "recall": StaticFigure(
        "Recall against candidates",
        "Only points above each other compare tokenizers: they gave equally many candidates. "
        f"{INTERVALS} Bands are the least and the most of several seeds, a ring marks a point for which nothing else "
        "finds as much with fewer candidates. Grey lines need no semantic IDs.",
        "offline_eval.csv, pareto.csv",
        "Evaluation",
        "evaluation",
        empty="No tokenizer was evaluated by the strategy probe, which gives all equally many candidates.",
    ),
    "generators": StaticFigure(
        "Generative recommenders",
        "Each generator was trained on the IDs of the tokenizer before the slash; a name alone knows no IDs. "
        f"{INTERVALS} Values are means over seeds.",
        "generative_eval.csv",
        "Generators",
        "generators",
        panels=2,
        columns=2,
        empty="No generator was evaluated.",
    ),
    "comparisons": StaticFigure(
        "Which differences are real",
        "The difference of each tokenizer to the best, on the same users, with its 95 % interval. Filled points differ "
        "from 0 after Holm's correction over all pairs (p < 0.05); hollow ones may be chance.",
        "comparisons.csv",
        "Evaluation",
        "pairs",
        columns=2,
        empty="There are no two tokenizers to compare.",
    ),
    "generator-comparisons": StaticFigure(
        "Which differences between generators are real",
        "The difference of each ranking to the best, on the same users, with its 95 % interval. Filled points differ "
        "from 0 after Holm's correction over all pairs (p < 0.05); hollow ones may be chance.",
        "comparisons.csv",
        "Generators",
        "generators",
        columns=2,
        empty="There are no two generators to compare.",
    ),
    "slices": StaticFigure(
        "Who is served",
        f"Recall@10 of parts of the queries. {INTERVALS} A slice of few queries has wide intervals: read those before "
        "the order.",
        "slices.csv",
        "Evaluation",
        "evaluation",
        panels=4,
        columns=4,
        by_group=True,
        empty="There are no slices at equal candidates.",
    ),
    "usage": StaticFigure(
        "How codes are used",
        "The codes of a level by the number of their items: a flat line uses all codes alike, a steep one puts most "
        "items under few codes. Where a line ends, no further code is used. Of several seeds the first is shown.",
        "<dataset>/<tokenizer>/items.parquet",
        "Codes",
        panels=8,
        columns=4,
        empty="There are no codes beside the tables.",
    ),
    "map": StaticFigure(
        "Map of the items",
        "Where the embeddings of the items lie in two dimensions, coloured by their commonest categories (others are "
        "grey) and by the first code of a tokenizer, over whose codes seven colours repeat.",
        "<dataset>/embeddings, <dataset>/<tokenizer>/items.parquet",
        "Codes",
        panels=2,
        columns=2,
        empty="There are no embeddings that spread in two directions.",
    ),
    "drift": StaticFigure(
        "Whether new items suit the tokenizer",
        "Figures of new items against those whose IDs were given out before, in units of their limits. A filled point, "
        "to the right of 0, speaks for another training.",
        "<dataset>/<tokenizer>/drift.csv",
        "Codes",
        "earlier",
        panels=8,
        columns=2,
        empty="No tokenizer is loaded, or no item is new.",
    ),
    "training": StaticFigure(
        "How tokenizers were trained",
        "A ring is the epoch that was kept, a cross one after which training went back to its best epoch. Every seed "
        "has a line.",
        "<dataset>/<tokenizer>/training.csv",
        "Training",
        "histories",
        panels=5,
        empty="No history of a training is there.",
    ),
    "generator-training": StaticFigure(
        "How generators were trained",
        "A ring is the epoch that was kept, a cross one after which training went back to its best epoch. Every seed "
        "has a line.",
        "<dataset>/<tokenizer>/<generator>/training.csv",
        "Training",
        "generators",
        panels=4,
        empty="No history of a training is there.",
    ),
    "proxies": StaticFigure(
        "What foretells recall",
        "Spearman's rank correlation of each figure of the scorecards with Recall@10: +1 orders tokenizers as their "
        "recall does, −1 the other way round. Filled points have p < 0.05 by permutation, uncorrected.",
        "proxies.csv",
        "Proxies",
        "evaluation",
        columns=2,
        empty="Correlations need four tokenizers that differ.",
    ),
    "proxies-points": StaticFigure(
        "Figures against recall",
        "A point is a tokenizer, with the mean over its seeds.",
        "tokenizers.csv, offline_eval.csv",
        "Proxies",
        "evaluation",
        panels=8,
        columns=4,
        empty="Figures are drawn against recall for three tokenizers or more.",
    ),
    "cost": StaticFigure(
        "What it cost",
        "Seconds of all jobs, as Snakemake measured them, on the machine that ran them; jobs that run beside each "
        "other count in full.",
        "benchmarks/",
        "Run",
        columns=2,
        empty="No job was measured: benchmarks/ is not beside the results.",
    ),
    "funnel": StaticFigure(
        "What became of the data",
        "Interactions that each step left, with their users and items, and the splits that were made of the rest.",
        "data/<dataset>/stats.json",
        "Run",
        "evaluation",
        columns=2,
        empty="There are no interactions.",
    ),
}


def figures_for(needs: Collection[Need]) -> list[str]:
    """Return the names of the figures of a run that has all of `needs`; what every run has is not among them."""
    return [name for name, figure in FIGURES.items() if figure.needs == "codes" or figure.needs in needs]
