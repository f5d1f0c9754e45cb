"""The parquet files of OpenOneRec (Kuaishou, 2025, https://github.com/Kuaishou-OneRec/OpenOneRec)."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from annotated_types import Ge

from semid.checks import check_options, doc
from semid.files import whole_file, write_text
from semid.interactions import SPLITS
from semid.semantic_ids.exports.fine_tuning import FEWEST_ITEMS, NEXT_ITEM, Example, next_item_examples
from semid.semantic_ids.exports.histories import Histories
from semid.semantic_ids.exports.json_files import json_text
from semid.semantic_ids.exports.source import ExportSource
from semid.semantic_ids.exports.tokens import IdTokens, blocks, token_names
from semid.semantic_ids.exports.users import write_users

BEGIN, END = "<|sid_begin|>", "<|sid_end|>"
PREFIX = "s_"
# Their scripts give every level as many tokens, and pad a vocabulary to a multiple of this.
PADDED_TO = 256
MESSAGES = pa.schema([(name, pa.string()) for name in ("source", "uuid", "messages", "metadata")])
ROWS_AT_ONCE = 1 << 12
FILES = ("sft.parquet", "valid.parquet", "test.parquet")
README = """# IDs for OpenOneRec

`codes.parquet` is what `tokenizer/infer_res_kmeans.py` writes, `pid2sid.parquet` what the scripts under
`data/onerec_data` read; a pid is the number of an item in `item2id.tsv`. Expand the vocabulary by their own script,
which adds the tokens of `tokens.txt` in this order and pads it to a multiple of {padded}:

    expand_qwen3_vocab.py --itemic_layer_n 3 --vocab_size_per_layer {size} --hf_model_dir … --output_model_dir …

`sft.parquet` goes where `prepare_sft.sh` takes recommendation data from; `valid.parquet` and `test.parquet` have the
same columns, and `metadata` says which item is right.
"""


@dataclass(frozen=True)
class OpenOneRec:
    """Options of the format `openonerec`."""

    history: Annotated[int, Ge(1), doc("The items before a target that are kept, the last ones; theirs are 100.")] = 100

    def __post_init__(self) -> None:
        check_options(self, "exports: openonerec")

    def write(self, source: ExportSource, folder: Path) -> dict[str, Any]:
        """Write codes and tokens, and messages of three splits where there are interactions; return the counts."""
        for name, column in (("codes.parquet", "codes"), ("pid2sid.parquet", "sid")):
            self._write_codes(source.codes, folder / name, column)
        size = max(source.sizes)
        tokens = list(chain(*token_names([size] * source.num_levels, PREFIX), (BEGIN, END)))
        write_text(folder / "tokens.txt", "".join(f"{token}\n" for token in tokens))
        write_text(folder / "README.md", README.format(size=size, padded=PADDED_TO))
        if source.histories is None:
            return {}
        lines = self._write_messages(source, source.histories, folder)
        left_out = write_users(source.histories, folder / "user2id.tsv", FEWEST_ITEMS)
        return {"users": len(source.histories) - left_out, "users_left_out": left_out, "lines": lines}

    def _write_codes(self, codes: np.ndarray, path: Path, column: str) -> None:
        schema = pa.schema([("pid", pa.int64()), (column, pa.list_(pa.int64()))])
        with whole_file(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for block in blocks(len(codes)):
                rows = codes[block].astype(np.int64)
                offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
                lists = pa.ListArray.from_arrays(offsets, rows.ravel())
                numbers = np.arange(block.start, block.stop, dtype=np.int64)
                writer.write_table(pa.table([pa.array(numbers), lists], schema=schema))

    def _write_messages(self, source: ExportSource, histories: Histories, folder: Path) -> dict[str, int]:
        tokens = IdTokens(source.codes, source.sizes, PREFIX)
        examples = next_item_examples(histories, tokens, self.history, separator="", around=f"{BEGIN}{{}}{END}")
        lines = dict.fromkeys(SPLITS, 0)
        with ExitStack() as stack:
            writers = [
                stack.enter_context(pq.ParquetWriter(stack.enter_context(whole_file(folder / name)), MESSAGES))
                for name in FILES
            ]
            for block in _blocks_of_examples(examples):
                for split, writer in enumerate(writers):
                    rows = [_row(example, source) for example in block if example.split == split]
                    writer.write_table(pa.Table.from_pylist(rows, schema=MESSAGES))
                    lines[SPLITS[split]] += len(rows)
        return lines


def _blocks_of_examples(examples: Iterator[Example]) -> Iterator[list[Example]]:
    while block := list(islice(examples, ROWS_AT_ONCE)):
        yield block


def _row(example: Example, source: ExportSource) -> dict[str, str]:
    """A row of messages; its uuid follows from the example, so that the same IDs give the same file."""
    said = (("system", NEXT_ITEM.instruction), ("user", example.question), ("assistant", example.output))
    messages = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in said]
    text = json_text(messages)
    metadata = {"uid": example.user, "pid": example.item, "item_id": source.ids[example.item].as_py()}
    return {
        "source": f"semid_{source.dataset or 'items'}",
        "uuid": str(uuid5(NAMESPACE_URL, f"{example.user}\n{text}")),
        "messages": text,
        "metadata": json_text(metadata),
    }
