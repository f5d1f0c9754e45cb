"""JSON files that are written as they come, entry by entry, and are whole or not there."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from semid.files import whole_file

# One for all, since json.dumps makes one a call.
_ENCODER = json.JSONEncoder(ensure_ascii=False)


def write_json_object(path: str | Path, entries: Iterable[tuple[Any, Any]]) -> int:
    """Write one JSON object with an entry a line, and return how many entries it has.

    A key may be a number or a text; an entry of a key that is there already is not looked for.
    """
    count = 0
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for key, value in entries:
            separator = ",\n" if count else "{\n"
            file.write(f"{separator}{json_text(str(key))}: {json_text(value)}")
            count += 1
        file.write("\n}\n" if count else "{}\n")
    return count


def json_text(value: Any) -> str:
    """Return a value as JSON on one line, in UTF-8."""
    text: str = _ENCODER.encode(value)
    return text
