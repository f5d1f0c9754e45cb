"""The report of a run: which tables it shows, and from which files its page is made."""

from semid.planning.datasets import Datasets
from semid.planning.generators import Generators
from semid.planning.tokenizers import Tokenizers

EVALUATED = ("offline_eval", "pareto", "slices", "comparisons", "proxies")


def tables_of_run(datasets: Datasets, generators: Generators) -> list[str]:
    """The tables of a run: those of the evaluation, and of generators, only where there is one."""
    evaluated = EVALUATED if datasets.evaluated() else ()
    generated = ("generative_eval",) if generators.is_run() else ()
    return [f"results/{table}.csv" for table in ("tokenizers", *evaluated, *generated)]


def decoders_of_run(tokenizers: Tokenizers) -> list[str]:
    """Import strings of the classes that decode the codes of the run."""
    return sorted({name for tokenizer in tokenizers.of_run() for name in tokenizers.implementations(tokenizer)})
