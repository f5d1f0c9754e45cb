"""Codes that no vectors made: one call a shard, whatever makes them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from semid.methods import GIVEN_CODES
from semid.naming import TokenizerName


class ItemFiles(Protocol):
    """What the codes of items are made from.

    catalogue: the item table; `get` gives other files by their keys, where the configuration names them, or None.
    """

    catalogue: str

    def get(self, key: str, /) -> Any: ...


def make_codes(
    name: str, arguments: Mapping[str, Any], files: ItemFiles, shard: int, shards: int, output: str | Path
) -> None:
    """Write the codes of one shard of the items for the tokenizer called `name`, one of `semid.methods.GIVEN_CODES`.

    `arguments` are those of the class that makes the codes. Raises `InputError` for what it cannot make codes from.
    """
    given = GIVEN_CODES[TokenizerName.parse(name).method]
    given.load()(**arguments).write(files, shard, shards, output)
