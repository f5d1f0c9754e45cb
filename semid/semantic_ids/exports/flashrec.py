"""The catalogue of flashrec: the IDs that it may generate."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from semid.files import whole_file, write_text
from semid.semantic_ids.exports.source import ExportSource
from semid.semantic_ids.exports.tokens import blocks

CATALOGUE = "sid2vid.json"
README = """# IDs for flashrec

`{catalogue}` has the {distinct} distinct IDs of {items} items, as `flashrec --sid-vocab-file {catalogue}` reads them.
Name the tokens with `--sid FIRST:LAST/{sizes}`, where FIRST is the id of the first token that the export `hf` added to
your tokenizer, and LAST = FIRST + {last}: flashrec infers them alone from tokens of the form `<s_a_0>`, and takes an
ID of four codes for three and a mark of the end.
"""


@dataclass(frozen=True)
class FlashRec:
    """The format `flashrec` has no options."""

    def write(self, source: ExportSource, folder: Path) -> dict[str, Any]:
        """Write `sid2vid.json`, one JSON object whose keys are the distinct IDs in order, and a README.md."""
        distinct = 0
        with (
            whole_file(folder / CATALOGUE) as temporary,
            temporary.open("w", encoding="utf-8", newline="\n") as file,
        ):
            file.write("{")
            for keys in _distinct_keys(source.codes):
                file.write(("," if distinct else "") + ",".join(f'"{key}":1' for key in keys))
                distinct += len(keys)
            file.write("}")
        readme = README.format(
            catalogue=CATALOGUE,
            distinct=f"{distinct:,}",
            items=f"{len(source.ids):,}",
            sizes=",".join(map(str, source.sizes)),
            last=sum(source.sizes) - 1,
        )
        write_text(folder / "README.md", readme)
        return {"distinct_ids": distinct}


def _distinct_keys(codes: np.ndarray) -> Iterator[list[str]]:
    """Yield the distinct IDs as texts such as `3,17,200`, sorted as numbers, block by block."""
    order = np.lexsort(codes.T[::-1])
    last: list[int] | None = None
    for block in blocks(len(order)):
        rows = codes[order[block]].tolist()
        keys = [row for before, row in pairwise([last, *rows]) if row != before]
        last = rows[-1]
        if keys:
            yield [",".join(map(str, key)) for key in keys]
