"""What stats.json says of a source and of the settings that apply to it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from semid.data.preprocessing.settings import PreprocessSettings
from semid.data.sources.source import Source

# Settings that change no result.
LIMITS = ("memory_limit", "threads", "max_malformed")


def describe_source(source: Source, settings: PreprocessSettings, files: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the format of the source, its `files` by kind, and the settings without those that do not apply to it."""
    unused = set(LIMITS)
    if source.is_split or not source.interaction_files:
        unused |= {"k_core", "repeats"} if settings.is_official else {"k_core", "repeats", "split", "catalogue"}
    if not settings.text_columns:
        unused.add("text_columns")
    return {
        "source": source.format,
        "files": {kind: [*paths] for kind, paths in files.items()},
        "timestamp_unit": source.timestamp_unit,
        "settings": {name: value for name, value in asdict(settings).items() if name not in unused},
        "split_by_source": source.is_split,
    }
