"""Whether the k-core of a category has the size that was published, where one was."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from semid.data.preprocessing.counts import Step, described
from semid.data.preprocessing.settings import PreprocessSettings
from semid.data.sources.source import Counts, Source

logger = logging.getLogger(__name__)


def compare_with_published(
    source: Source, settings: PreprocessSettings, steps: Sequence[Step], dropped: Mapping[str, int]
) -> dict[str, Any]:
    """Return what stats.json says of the size of the k-core, and log it; nothing where no size was published.

    The last of `steps` holds the interactions that are left; `dropped` counts the others by reason.
    """
    if source.is_split:
        k_core = source.official_splits.get(str(settings.split), 0)
    else:
        k_core = 0 if settings.repeats == "keep" else settings.k_core
    published = source.published(k_core)
    if published is None:
        return {}
    category, expected = published
    last = steps[-1]
    counted = Counts(last.users, last.items, last.rows)
    if counted == expected:
        logger.info("%s: the %s-core has its published size", category, k_core)
    else:
        logger.warning(
            "%s: THE %s-CORE IS NOT THE PUBLISHED ONE: found %s; published %s. Metrics on it do not compare with "
            "published ones. Either the files differ from the release, or rows were dropped that count there (%s)",
            category,
            k_core,
            _size(counted),
            _size(expected),
            described(dropped),
        )
    sizes = {"expected": expected._asdict(), "found": counted._asdict()}
    return {"published": {"category": category, **sizes, "matches": counted == expected}}


def _size(counts: Counts) -> str:
    return f"{counts.users:,} users, {counts.items:,} items, {counts.interactions:,} interactions"
