"""The export formats there are. Imports neither numpy nor torch: the settings and the rules read it."""

from semid.errors import InputError
from semid.semantic_ids.exports.format import ExportFormat

# a rule follows the import string of its own format
__affects_results__ = False

_LETTERS = "its letters a to e name five levels at most: use a tokenizer of fewer levels"

EXPORTS = {
    "lcrec": ExportFormat(
        "semid.semantic_ids.exports.lcrec:LCRec",
        "`index.json`, `inter.json` and `item.json` of LC-Rec, which LETTER reads too",
        needs=("items", "interactions"),
        most_levels=5,
        why_levels=_LETTERS,
    ),
    "minionerec": ExportFormat(
        "semid.semantic_ids.exports.minionerec:MiniOneRec",
        "the folder `data/Amazon` of MiniOneRec: splits as CSV, titles by ID, and the files of LC-Rec",
        needs=("items", "interactions"),
        most_levels=5,
        why_levels=_LETTERS,
    ),
    "openonerec": ExportFormat(
        "semid.semantic_ids.exports.openonerec:OpenOneRec",
        "codes and fine-tuning messages of OpenOneRec as parquet, and its tokens",
        uses=("interactions",),
        fewest_levels=3,
        most_levels=3,
        why_levels="its scripts take exactly three: use a tokenizer of three levels, such as rqkmeans_3x256",
    ),
    "flashrec": ExportFormat(
        "semid.semantic_ids.exports.flashrec:FlashRec",
        "the catalogue of IDs that flashrec may generate",
        fewest_levels=2,
        why_levels="it takes a single number for several codes packed into one: use a tokenizer of two levels or more",
    ),
    "sidinspector": ExportFormat(
        "semid.semantic_ids.exports.sidinspector:SIDInspector",
        "the table of assignments of SIDInspector, and its interactions",
        uses=("interactions",),
    ),
    "grid": ExportFormat(
        "semid.semantic_ids.exports.grid:Grid",
        "the matrix of GRID, a row a level, as `.npy`",
    ),
    "hf": ExportFormat(
        "semid.semantic_ids.exports.hf:HuggingFace",
        "tokens for a Hugging Face tokenizer, and fine-tuning text for TRL, Unsloth and LLaMA-Factory",
        uses=("items", "interactions"),
    ),
}


def export_named(name: str) -> ExportFormat:
    """The format of this name; InputError for an unknown one."""
    if name not in EXPORTS:
        raise InputError(f"unknown export format {name!r}: expected one of {', '.join(EXPORTS)}")
    return EXPORTS[name]
