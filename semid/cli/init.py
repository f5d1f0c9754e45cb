"""`semid init`: a configuration for the files of a catalogue, from what can be checked in them."""

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from semid.data.connection import temporary_database
from semid.data.look import (
    TIME_NAMES,
    USER_NAMES,
    CoreSize,
    ItemColumns,
    LookedAt,
    core_size,
    first_value,
    item_columns,
    look_at,
)
from semid.data.sources.source import ITEM_FIELDS
from semid.errors import InputError
from semid.files import write_text
from semid.naming import RESERVED
from semid.terminal import printable

NAMES_OF_TITLES = ("name", "item_name", "product_name", "product_title")
K_CORE = 5
MEMORY_MB, THREADS = 2000, 2
# codebooks: a power of two of at most so many codes, and at least two training items a code
LARGEST, LARGEST_FLAT = 256, 4096
UNITS = {"seconds": 1.0, "milliseconds": 1e-3}


class Look(NamedTuple):
    """What a look at both files has shown.

    user, time: columns of the interactions, None where no name says that one is; example: the first time; core: None
    without users.
    """

    bought: LookedAt
    catalogue: LookedAt
    ids: ItemColumns
    user: str | None
    time: str | None
    example: str
    core: CoreSize | None

    @property
    def has_date(self) -> bool:
        """Whether times are date-times, which need no conversion."""
        return self.time in self.bought.dates


def write_configuration(interactions: Path, items: Path, output: Path | None) -> None:
    """Look at both files, say what was found, and write a configuration that is not there yet.

    Raises InputError for files in which the ids of items cannot be told, and where `output` is there.
    """
    name = _dataset_name(items)
    output = output or Path(f"{name}.yaml")
    if output.exists():
        raise InputError(f"{output} is there: name another file by -o, or remove it")
    look = _look(interactions, items)
    found = _found(look)
    lines = [*(f"# {line}" for line in found), *_configuration(name, output, look)]
    write_text(output, "\n".join(map(printable, lines)) + "\n")
    for line in [*found, f"{output}: read it, fill in what it asks for, and call: semid run {output}"]:
        print(printable(line))


def _look(interactions: Path, items: Path) -> Look:
    with tempfile.TemporaryDirectory() as folder, temporary_database(Path(folder), MEMORY_MB, THREADS) as database:
        bought = look_at(database, interactions, "interactions")
        catalogue = look_at(database, items, "catalogue")
        ids = item_columns(database, bought, catalogue)
        user = bought.named(USER_NAMES, but=ids.interactions)
        time = next(iter(bought.dates), None) or bought.named(TIME_NAMES, but=ids.interactions)
        example = first_value(database, bought, time) if time else ""
        core = core_size(database, bought, user, catalogue, ids, K_CORE) if user else None
        return Look(bought, catalogue, ids, user, time, example, core)


def _dataset_name(items: Path) -> str:
    """Return a name for the dataset, from that of the file of items."""
    stem = items.name.split(".")[0].lower()
    name = "".join(character if character.isascii() and character.isalnum() else "_" for character in stem)
    return f"my_{name}" if not name[:1].isalpha() or name in (*RESERVED, "figures") else name


def _found(look: Look) -> list[str]:
    """Return what was found, a line each."""
    bought, catalogue, ids, core = look.bought, look.catalogue, look.ids, look.core
    lines = [
        f"{bought.path}: {bought.rows:,} rows; columns {', '.join(bought.columns)}",
        f"{catalogue.path}: {catalogue.rows:,} rows; columns {', '.join(catalogue.columns)}",
        f"item ids: {ids.interactions} there and {ids.items} here: {100 * ids.share:.1f} % of the interactions are of "
        "an item of the catalogue",
    ]
    if core is None:
        return [*lines, "users: no column has a name that says it"]
    if not core.items:
        return [*lines, f"k_core {K_CORE}: nothing would be left; choose a smaller k_core, or 0 for none"]
    return [
        *lines,
        f"k_core {K_CORE} (users and items with {K_CORE} interactions each) leaves {core.users:,} users, "
        f"{core.items:,} items and {core.interactions:,} interactions for training and evaluation; all items get IDs",
    ]


def _configuration(name: str, output: Path, look: Look) -> Iterator[str]:
    core = look.core
    items = core.items if core is not None and core.items else look.catalogue.rows
    size, flat = _codebook(items, LARGEST), _codebook(items, LARGEST_FLAT)
    yield from (
        "",
        "run:",
        f"  datasets: [{name}]",
        f"  tokenizers: [rqkmeans_4x{size}, rqvae_4x{size}, vqvae_{flat}]  # at least two items a code",
        "datasets:",
        f"  {name}:",
        "    source: table",
        f"    interactions: {_quoted(look.bought.path)}",
        f"    items: {_quoted(look.catalogue.path)}",
        "    columns:",
        *(f"      {line}" for line in _columns(look)),
        *(f"    {line}" for line in _unit(look)),
        f"    preprocess: {{k_core: {K_CORE}}}  # for training and evaluation; every item gets an ID",
        f"    # embeddings: {{text: {_quoted(_text(look.catalogue))}}}  # what is encoded; or vectors of your own:",
        "    # embeddings: {vectors: vectors.npy, ids: ids.txt}",
        "",
        "# everything, to results/offline_eval.csv:",
        f"#   semid run {output}",
        "# the IDs of one tokenizer alone:",
        f"#   semid run {output} results/{name}/rqkmeans_4x{size}/items.parquet",
    )


def _codebook(items: int, largest: int) -> int:
    """Return the largest power of two of codes with two items each."""
    return max(2, min(largest, 1 << max(1, (items // 2).bit_length() - 1)))


def _columns(look: Look) -> Iterator[str]:
    """Yield the lines of `columns`: what is shown by the values, what a name suggests, and what is not known."""
    catalogue, ids, user, time = look.catalogue, look.ids, look.user, look.time
    if ids.interactions == ids.items:
        yield f"item_id: {_quoted(ids.items)}  # shown by the values"
    else:
        yield f"item_id: {_quoted(ids.items)}  # in the items; in the interactions it is {ids.interactions}: rename one"
    others = ", ".join(column for column in look.bought.columns if column not in (ids.interactions, user, time))
    if user is not None:
        yield f"user_id: {_quoted(user)}  # by its name: is it?"
    else:
        yield f"# user_id:   fill in: one of {others}"
    if time is not None:
        yield f"timestamp: {_quoted(time)}  # by its {'type' if look.has_date else 'name: is it?'}"
    else:
        yield "# timestamp:   fill in, or set timestamp_unit: row below, if the rows are in the order of time"
    fields = [field for field in ITEM_FIELDS[1:] if field in catalogue.columns]
    rest = [column for column in catalogue.columns if column not in (*fields, ids.items)]
    if fields:
        yield f"# used by their names: {', '.join(fields)}"
    missing = [field for field in ITEM_FIELDS[1:] if field not in fields]
    name = next((column for column in rest if column.lower() in NAMES_OF_TITLES), None)
    if name is not None and "title" in missing:
        yield f"title: {_quoted(name)}  # by its name: is it?"
        missing, rest = missing[1:], [column for column in rest if column != name]
    if rest and missing:
        yield f"# {', '.join(missing)}: name them here if they are among {', '.join(rest)}"


def _unit(look: Look) -> Iterator[str]:
    """Yield the lines of `timestamp_unit`, which nothing in a file shows but the type of a date-time."""
    if look.has_date:
        yield "timestamp_unit: iso  # a date-time, which needs no conversion"
        return
    yield "# choose one, and remove the # before it; semid never guesses a unit:"
    for unit, factor in UNITS.items():
        yield f"# timestamp_unit: {unit}{_date_of(look.example, factor)}"
    yield "# timestamp_unit: iso  # dates as text"
    yield "# timestamp_unit: position  # a number that only orders the interactions of a user"
    yield "# timestamp_unit: row  # no times: the rows of the file are in order"


def _date_of(example: str, factor: float) -> str:
    """Say which day a number would be; empty for what is no number, or no day."""
    try:
        return f"  # {example} would be {datetime.fromtimestamp(float(example) * factor, UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return ""


def _text(catalogue: LookedAt) -> str:
    names = {column.lower() for column in catalogue.columns}
    return "{title}" if names & {"title", *NAMES_OF_TITLES} else f"{{{catalogue.columns[-1]}}}"


def _quoted(text: object) -> str:
    """Return a text as YAML has it in double quotes."""
    return json.dumps(str(text), ensure_ascii=False)
