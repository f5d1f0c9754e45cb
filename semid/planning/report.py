"""The report of a run: which tables it shows, and from which files its page is made."""

from semid.planning.datasets import Datasets
from semid.planning.generators import Generators

EVALUATED = ("offline_eval", "pareto", "slices", "comparisons", "proxies")


def tables_of_run(datasets: Datasets, generators: Generators) -> list[str]:
    """The tables of a run: those of the evaluation, and of generators, only where there is one."""
    evaluated = EVALUATED if datasets.evaluated() else ()
    generated = ("generative_eval",) if generators.is_run() else ()
    return [f"results/{table}.csv" for table in ("tokenizers", *evaluated, *generated)]
