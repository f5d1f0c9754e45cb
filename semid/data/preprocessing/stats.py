"""What stats.json says of a source and of the settings that apply to it."""

from dataclasses import asdict
from typing import Any

from semid.data.preprocessing.settings import PreprocessSettings
from semid.data.sources.source import Source

# Settings that change no result.
LIMITS = ("memory_limit", "threads", "max_malformed")


def describe_source(source: Source, settings: PreprocessSettings) -> dict[str, Any]:
    """Return the files of the source, and the settings without those that do not apply to it."""
    unused = set(LIMITS)
    if source.is_split or not source.interaction_files:
        unused |= {"k_core", "repeats"} if settings.is_official else {"k_core", "repeats", "split", "catalogue"}
    if not settings.text_columns:
        unused.add("text_columns")
    return {
        "source": source.format,
        "files": {
            "interactions": [str(file.path) for file in source.interaction_files],
            "items": [str(path) for path in source.item_files],
        },
        "timestamp_unit": source.timestamp_unit,
        "settings": {name: value for name, value in asdict(settings).items() if name not in unused},
        "split_by_source": source.is_split,
    }
