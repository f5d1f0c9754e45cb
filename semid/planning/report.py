"""The report of a run: which tables and figures it shows, and from which files it is made."""

from collections.abc import Iterator

from semid.errors import InputError
from semid.methods import METHODS
from semid.naming import TokenizerName
from semid.planning.datasets import Datasets
from semid.planning.generators import Generators
from semid.planning.tokenizers import Tokenizers
from semid.report.registry import FIGURES, Need, figures_for

EVALUATED = ("offline_eval", "pareto", "slices", "comparisons", "proxies")


def tables_of_run(datasets: Datasets, generators: Generators) -> list[str]:
    """The tables of a run: those of the evaluation, and of generators, only where there is one."""
    evaluated = EVALUATED if datasets.evaluated() else ()
    generated = ("generative_eval",) if generators.is_run() else ()
    return [f"results/{table}.csv" for table in ("tokenizers", *evaluated, *generated)]


def figures_of_run(datasets: Datasets, tokenizers: Tokenizers, generators: Generators) -> list[str]:
    """The names of the figures of a run: those of an evaluation, of generators and the like only where it has these.

    Of a run whose configuration is wrong all are named: the error is that of who asks for one.
    """
    try:
        return figures_for(set(_needs(datasets, tokenizers, generators)))
    except InputError:
        return list(FIGURES)


def _needs(datasets: Datasets, tokenizers: Tokenizers, generators: Generators) -> Iterator[Need]:
    names = [TokenizerName.parse(name) for name in tokenizers.of_run()]
    if datasets.evaluated():
        yield "evaluation"
    if datasets.evaluated() and len({name.with_seed(0).name for name in names}) > 1:
        yield "pairs"
    if generators.is_run():
        yield "generators"
    if any(name.method in METHODS and METHODS[name.method].keeps_history for name in names):
        yield "histories"
    if any(path.endswith("/drift.csv") for path in tokenizers.comparisons_with_earlier()):
        yield "earlier"
