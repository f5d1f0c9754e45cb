"""`semid repair` and `semid export`: IDs that can be handed out."""

from pathlib import Path
from typing import Any, get_args

from semid.cli.options import named_values, shown_log
from semid.errors import InputError
from semid.naming import RepairMode
from semid.pretrained import CONFIG_FILE
from semid.semantic_ids.exports.export import export_semantic_ids
from semid.semantic_ids.exports.registry import export_named
from semid.semantic_ids.exports.source import ExportFiles
from semid.semantic_ids.repair import repair_table


def repair_ids(
    table: Path,
    output: Path,
    mode: str,
    vectors: Path | None,
    ids: Path | None,
    tokenizer: Path | None,
    codes: int | None,
    pinned: Path | None,
) -> None:
    """Repair the IDs of a table, write them to a folder, and say how many changed."""
    if mode not in get_args(RepairMode):
        raise InputError(f"--mode is {mode}; expected one of {', '.join(get_args(RepairMode))}")
    with shown_log():
        repair = repair_table(
            table,
            output,
            mode,  # type: ignore[arg-type]
            vectors=vectors,
            ids=ids,
            model=tokenizer,
            codebook_size=codes,
            pinned=pinned,
        )
    for sentence in repair.sentences():
        print(sentence)
    print(f"{output}: items.parquet has the IDs, repair.parquet what changed, repair.json the counts")


def export_ids(
    table: Path,
    format: str,
    output: Path,
    items: Path | None,
    interactions: Path | None,
    tokenizer: Path | None,
    options: tuple[str, ...],
) -> None:
    """Write the IDs of a table to a folder in a format of the registry, and say what is there."""
    known = export_named(format).load().__dataclass_fields__
    config = None if tokenizer is None else tokenizer / CONFIG_FILE
    files = ExportFiles(table, items, interactions, config)
    with shown_log():
        manifest: dict[str, Any] = export_semantic_ids(files, format, output, named_values(options, known))
    print(f"{output}: {manifest['items']:,} items in {len(manifest['files'])} files; manifest.json says what they are")
