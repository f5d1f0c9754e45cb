"""The matrix of GRID (Ju et al., 2025, https://github.com/snap-research/GRID), which has a row a level."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semid.files import whole_file, write_text
from semid.semantic_ids.exports.source import ExportSource

MATRIX = "semantic_ids.npy"
README = f"""# IDs for GRID

`{MATRIX}` is int64 [{{levels}}, {{items}}]: a row a level, a column an item, in the order of `item2id.tsv`. GRID reads
a tensor of this shape from a pickle, which we do not write. These lines make it:

```python
import numpy, torch
matrix = torch.from_numpy(numpy.load("{MATRIX}"))
torch.save(matrix, "semantic_ids.pt")
```

Set `semantic_id_path` to that file, and `num_hierarchies` to {{levels}}. The items of its sequences must be the
numbers in `item2id.tsv`.
"""


@dataclass(frozen=True)
class Grid:
    """The format `grid` has no options."""

    def write(self, source: ExportSource, folder: Path) -> dict[str, Any]:
        """Write `semantic_ids.npy`, int64 [L, n], row by row, and a README.md."""
        shape = (source.num_levels, len(source.ids))
        header = {"descr": "<i8", "fortran_order": False, "shape": shape}
        with whole_file(folder / MATRIX) as temporary, temporary.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for level in source.codes.T:
                file.write(level.astype("<i8").data)
        write_text(folder / "README.md", README.format(levels=shape[0], items=shape[1]))
        return {}
