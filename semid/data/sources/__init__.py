"""Sources of data: a dataset of the configuration comes in, a `Source` goes out.

A source is a file of this package and an entry of the registry `SOURCES`, which everything else reads. The package
needs the standard library and annotated-types alone, since Snakemake imports it to plan.
"""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from semid.checks import options_of
from semid.data.sources.registry import SOURCES
from semid.data.sources.source import Source
from semid.errors import InputError
from semid.registries import load


def source_class(name: Any) -> type[Source]:
    """Return the class of a source by its name. Raises `InputError` for a name that the registry does not have."""
    if name not in SOURCES:
        raise InputError(f"source must be one of {', '.join(SOURCES)}, got {name!r}")
    kind: type[Source] = load(SOURCES[name])
    return kind


def source_from_config(options: Mapping[str, Any]) -> Source:
    """Return the source that a dataset of the configuration describes.

    Only `source` and the keys of that source are read, among all keys of a dataset. A key that is None counts as
    absent. Raises `InputError` for values that the source does not take.
    """
    kind = source_class(options.get("source"))
    known = {field.name for field in fields(kind) if field.init}  # type: ignore[arg-type]
    given = {key: value for key, value in options.items() if key in known and value is not None}
    missing = [option.name for option in options_of(kind) if option.is_required and option.name not in given]
    if missing:
        raise InputError(
            f"{options['source']}: expected {' and '.join(missing)} too, got {', '.join(given) or 'nothing'}"
        )
    return kind(**given)


@cache
def official_splits() -> dict[str, int]:
    """Return the names of the splits that the releases of all sources come in, with the k of the k-core of each."""
    return {split: k for name in SOURCES for split, k in source_class(name).official_splits.items()}
