"""Tokens for a Hugging Face tokenizer, and text to fine-tune a language model on."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from annotated_types import Ge, MinLen

from semid.checks import Pattern, check_options, doc, unique_items
from semid.files import whole_file, write_json, write_text
from semid.interactions import SPLITS
from semid.semantic_ids.exports.added_tokens import add_to_tokenizer
from semid.semantic_ids.exports.fine_tuning import (
    FEWEST_ITEMS,
    Example,
    next_item_examples,
    title_examples,
)
from semid.semantic_ids.exports.json_files import json_text
from semid.semantic_ids.exports.source import ExportSource
from semid.semantic_ids.exports.tokens import IdTokens, token_names
from semid.semantic_ids.exports.users import write_users

Form = Literal["messages", "instructions"]
TABLE = pa.schema([("item_id", pa.string()), ("number", pa.int64()), ("sid", pa.string())])
# What LLaMA-Factory calls the parts of an example of each form.
COLUMNS: dict[str, dict[str, Any]] = {
    "messages": {
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
        },
    },
    "instructions": {
        "formatting": "alpaca",
        "columns": {"prompt": "instruction", "query": "input", "response": "output"},
    },
}


@dataclass(frozen=True)
class HuggingFace:
    """Options of the format `hf`."""

    tokenizer: Annotated[
        Annotated[str, Pattern(r"^(?!.*://)[^{}]+$", "a folder of this machine, without braces")] | None,
        doc(
            "The folder of a tokenizer with `tokenizer.json`, to which the tokens are added, in `tokenizer/`; null "
            "writes the tokens alone."
        ),
    ] = None
    history: Annotated[int, Ge(1), doc("The items before a target that are kept, the last ones.")] = 50
    forms: Annotated[
        tuple[Form, ...],
        MinLen(1),
        unique_items,
        doc(
            "How text is written: `messages` of a chat (TRL, Unsloth, LLaMA-Factory), or `instructions` with `input` "
            "and `output` (Alpaca)."
        ),
    ] = ("messages", "instructions")
    titles: Annotated[
        bool, doc("Whether the training text also asks for the title of every ID, and the ID of every title.")
    ] = True

    def __post_init__(self) -> None:
        check_options(self, "exports: hf")
        object.__setattr__(self, "forms", tuple(self.forms))

    def write(self, source: ExportSource, folder: Path) -> dict[str, Any]:
        """Write the tokens, the table of IDs, a tokenizer where one is given, and text where there is any."""
        names = list(chain(*token_names(source.sizes)))
        first = None
        if self.tokenizer is not None:
            first = add_to_tokenizer(Path(self.tokenizer), names, folder / "tokenizer")
        write_text(folder / "tokens.txt", "".join(f"{name}\n" for name in names))
        tokens = IdTokens(source.codes, source.sizes)
        _write_table(source, tokens, folder / "semantic_ids.parquet")
        counts: dict[str, Any] = {"first_token": first, "tokens": len(names)}
        if source.histories is not None:
            left_out = write_users(source.histories, folder / "user2id.tsv", FEWEST_ITEMS)
            counts |= {"users": len(source.histories) - left_out, "users_left_out": left_out}
        if source.histories is not None or (self.titles and source.texts is not None):
            counts["lines"] = self._write_text(source, tokens, folder)
        return counts

    def _write_text(self, source: ExportSource, tokens: IdTokens, folder: Path) -> dict[str, int]:
        """Write a file a form and a split, and `dataset_info.json`; return the lines of each split."""
        splits = SPLITS if source.histories is not None else SPLITS[:1]
        lines = dict.fromkeys(splits, 0)
        with ExitStack() as stack:
            files = {
                (form, split): stack.enter_context(
                    stack.enter_context(whole_file(folder / form / f"{split}.jsonl")).open(
                        "w", encoding="utf-8", newline="\n"
                    )
                )
                for form in self.forms
                for split in splits
            }
            for example in self._examples(source, tokens):
                split = SPLITS[example.split]
                for form in self.forms:
                    files[form, split].write(f"{json_text(_line(example, form, source))}\n")
                lines[split] += 1
        information = {
            f"semid_{form}_{split}": {"file_name": f"{form}/{split}.jsonl", **COLUMNS[form]}
            for form in self.forms
            for split in splits
        }
        write_json(folder / "dataset_info.json", information)
        return lines

    def _examples(self, source: ExportSource, tokens: IdTokens) -> Iterator[Example]:
        if source.histories is not None:
            yield from next_item_examples(source.histories, tokens, self.history)
        if self.titles and source.texts is not None:
            yield from title_examples(source.texts, tokens)


def _line(example: Example, form: Form, source: ExportSource) -> dict[str, Any]:
    """An example as an object; one to evaluate on also says user and item, for figures by item."""
    if form == "messages":
        line: dict[str, Any] = {
            "messages": [
                {"role": "user", "content": example.question},
                {"role": "assistant", "content": example.output},
            ]
        }
    else:
        line = {"instruction": example.task.instruction, "input": example.input, "output": example.output}
    if example.split:
        line |= {"user_id": example.user, "item_id": source.ids[example.item].as_py()}
    return line


def _write_table(source: ExportSource, tokens: IdTokens, path: Path) -> None:
    """Write the ID of every item as the text that the tokens make."""
    with whole_file(path) as temporary, pq.ParquetWriter(temporary, TABLE) as writer:
        for start, block in tokens.blocks():
            columns = [
                source.ids[start : start + len(block)].cast(pa.string()),
                pa.array(range(start, start + len(block)), pa.int64()),
                pa.array(["".join(item) for item in block], pa.string()),
            ]
            writer.write_table(pa.table(columns, schema=TABLE))
