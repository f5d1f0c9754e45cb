"""Tokens added to the files of a Hugging Face tokenizer, by the package tokenizers, which reads `tokenizer.json`."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from semid.errors import InputError
from semid.files import first_line, whole_file

TOKENIZER_FILE = "tokenizer.json"
# What transformers reads beside it; each is copied where it is there.
BESIDE = ("tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "chat_template.json")


def tokenizer_files(folder: Path) -> list[Path]:
    """The files of a tokenizer that are read. Raises `InputError` where there is no `tokenizer.json`."""
    if not (folder / TOKENIZER_FILE).is_file():
        raise InputError(
            f"{folder}: no {TOKENIZER_FILE} here: name the folder of a tokenizer, or write one by "
            f'AutoTokenizer.from_pretrained("…").save_pretrained("{folder.name}")'
        )
    return [folder / name for name in (TOKENIZER_FILE, *BESIDE) if (folder / name).is_file()]


def add_to_tokenizer(base: Path, names: Sequence[str], folder: Path) -> int:
    """Copy the tokenizer in `base` to `folder` with tokens added behind its own, and return the id of the first.

    They are normal tokens, since special ones vanish where text is decoded without special tokens; their text is found
    before it is normalized, so that no space or mark gets between two of them. Raises `InputError` where a token is
    there already, and where the tokenizer cannot be read.
    """
    from tokenizers import AddedToken, Tokenizer

    files = tokenizer_files(base)
    try:
        tokenizer = Tokenizer.from_file(str(files[0]))
    except Exception as error:  # the package raises Exception itself
        raise InputError(f"{files[0]}: not the file of a tokenizer ({first_line(error)})") from None
    there = [name for name in names if tokenizer.token_to_id(name) is not None]
    if there:
        raise InputError(
            f"{files[0]}: it has the token {there[0]} already: give the tokenizer as it was before semantic IDs "
            "were added"
        )
    tokenizer.add_tokens([AddedToken(name, normalized=False, special=False) for name in names])
    first, last = (tokenizer.token_to_id(name) for name in (names[0], names[-1]))
    if first is None or last != first + len(names) - 1:
        raise InputError(f"{files[0]}: its ids have gaps, so that those of the tokens do not follow each other")
    folder.mkdir(parents=True, exist_ok=True)
    for file in files[1:]:
        with whole_file(folder / file.name) as temporary:
            shutil.copyfile(file, temporary)
    with whole_file(folder / TOKENIZER_FILE) as temporary:
        tokenizer.save(str(temporary))
    return int(first)
