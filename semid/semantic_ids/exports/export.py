"""Semantic IDs written to a folder in the format of another system."""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from semid import __version__
from semid.errors import InputError
from semid.files import read_json, whole_file, write_json
from semid.interactions import SPLITS
from semid.jobs.manifest import describe_files, describe_inputs, without_machine_paths
from semid.semantic_ids.exports.registry import export_named
from semid.semantic_ids.exports.source import ExportFiles, ExportSource, read_source
from semid.semantic_ids.exports.tokens import blocks

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"


def export_semantic_ids(
    files: ExportFiles,
    format: str,
    output: str | Path,
    options: Mapping[str, Any] | None = None,
    names: tuple[str, str] = ("", ""),
    replace: bool = False,
) -> dict[str, Any]:
    """Write semantic IDs to the folder `output` in a format of `semid.semantic_ids.EXPORTS`; return the manifest.

    Items are numbered from 0 in the order of the table, and `item2id.tsv` says which item has which number.
    `manifest.json` comes last: the folder is whole when it is there. `options` are those of the format, `names` dataset
    and tokenizer, for formats that record them. A folder that holds an export is emptied of it first; one that holds
    anything else is refused, unless `replace` says that all that is there may go.

    Raises `InputError` for an unknown format or option, for files that the format needs and that are missing or wrong,
    and for IDs of a number of codes that it does not take.
    """
    export = export_named(format)
    writer = _with_options(export.load(), format, options or {})
    folder = Path(output)
    _clear(folder, replace)
    folder.mkdir(parents=True, exist_ok=True)
    with read_source(files, format, export, folder, names) as source:
        shared = source.items_sharing_an_id()
        if shared:
            logger.warning(
                "%s: %d of %d items share their ID with another, and cannot be told apart by it: export the table of "
                "repair-assign, which gives each an ID of its own",
                files.table,
                shared,
                len(source.ids),
            )
        _write_numbers(source, folder / "item2id.tsv")
        counts = writer.write(source, folder)
        manifest = {
            "format": format,
            "dataset": source.dataset,
            "tokenizer": source.tokenizer,
            "options": without_machine_paths(asdict(writer)),
            "items": len(source.ids),
            "levels": source.num_levels,
            "codes_of_levels": list(source.sizes),
            "items_sharing_an_id": shared,
            **_losses(source),
            **counts,
            "semid": __version__,
            "inputs": describe_inputs(_inputs(files)),
            "files": describe_files(sorted(path for path in folder.rglob("*") if path.is_file()), folder),
        }
    write_json(folder / MANIFEST, manifest)
    logger.info("%s: %d items in the format %s", folder, manifest["items"], format)
    return manifest


def _with_options(kind: Any, format: str, options: Mapping[str, Any]) -> Any:
    try:
        return kind(**options)
    except TypeError:
        known = ", ".join(kind.__dataclass_fields__) or "none"
        raise InputError(f"exports: {format}: its options are {known}, got {', '.join(options)}") from None


def _inputs(files: ExportFiles) -> list[Path]:
    given = [Path(path) for path in (files.table, files.items, files.interactions, files.config) if path is not None]
    splits = [f"{split}.parquet" for split in SPLITS]
    return [file for path in given for file in ([path / name for name in splits] if path.is_dir() else [path])]


def _losses(source: ExportSource) -> dict[str, int]:
    """What was left out or is missing, by its name."""
    losses = {"items_without_title": source.texts.untitled} if source.texts else {}
    return losses | ({"interactions_without_id": source.histories.unknown} if source.histories else {})


def _write_numbers(source: ExportSource, path: Path) -> None:
    """Write the number of every item, as LC-Rec's data and our importer read it: `item_id<tab>number`."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for block in blocks(len(source.ids)):
            names = source.ids[block.start : block.stop].to_pylist()
            file.writelines(f"{name}\t{number}\n" for number, name in enumerate(names, block.start))


def _clear(folder: Path, replace: bool) -> None:
    """Make a folder one that can be written to."""
    if folder.is_file():
        raise InputError(f"{folder}: expected a folder, found a file")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    manifest = folder / MANIFEST
    if replace:
        shutil.rmtree(folder)
    elif manifest.is_file():
        written = read_json(manifest, "the manifest of an export").get("files", [])
        # the manifest goes first: a folder without one is not whole
        manifest.unlink()
        for entry in written:
            path = folder / str(entry.get("file"))
            if path.resolve().is_relative_to(folder.resolve()) and not path.is_symlink():
                path.unlink(missing_ok=True)
    else:
        raise InputError(f"{folder}: expected an empty folder or one with an export, found other files: name another")
