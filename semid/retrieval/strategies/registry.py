"""The candidate strategies there are. Imports neither numpy nor torch: the settings and the rules read it."""

from semid.errors import InputError
from semid.retrieval.strategies.strategy import CandidateStrategy

# a rule follows the import strings of the strategies that the configuration names
__affects_results__ = False

STRATEGIES = {
    "exact": CandidateStrategy(
        "semid.retrieval.strategies.exact:find_exact",
        "items with the code of a history item",
        controls=("random", "categories"),
    ),
    "hamming1": CandidateStrategy(
        "semid.retrieval.strategies.hamming1:find_hamming1",
        "items whose code differs from that of a history item in at most one level, for codes of two levels or more",
        min_levels=2,
    ),
    "prefix": CandidateStrategy(
        "semid.retrieval.strategies.prefix:find_prefix",
        "items that share a prefix with a history item, a shorter and shorter one until there are min_candidates",
        uses=("min_candidates",),
        controls=("random", "categories"),
    ),
    "probe": CandidateStrategy(
        "semid.retrieval.strategies.probe:find_probe",
        "items of the codes nearest to the query, as many as each of the budgets says; here tokenizers can be "
        "compared, since all of them have the same number of candidates",
        uses=("budgets",),
        controls=("random",),
    ),
}


def strategy_named(name: str) -> CandidateStrategy:
    """The strategy of this name; InputError for an unknown one."""
    if name not in STRATEGIES:
        raise InputError(f"unknown candidate strategy {name!r}: expected one of {', '.join(STRATEGIES)}")
    return STRATEGIES[name]


def strategies_for_control(codes: str) -> tuple[str, ...]:
    """Names of the strategies that are tried with these codes of a control: `random` or `categories`."""
    return tuple(name for name, strategy in STRATEGIES.items() if codes in strategy.controls)
