"""`semid init --example`: a public dataset that its publisher lets everybody download, and a configuration for it."""

import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from semid.cli.init import write_configuration
from semid.cli.options import shown_log
from semid.data.sources.release import OfficialFile
from semid.errors import InputError
from semid.files import whole_file, write_text

# Where the configurations of `config.yaml` have files that were downloaded.
DOWNLOADS = Path("data/downloads")
# Somebody waits for the answer: a network that is not there is said after seven seconds.
RETRIES, TIMEOUT = 3, 30.0


@dataclass(frozen=True)
class Example:
    """A dataset in one zip: the file, the folder that it holds, which of its members are needed, and on which terms.

    `configuration` is the file beside this module that is written for it; its name is the default one.
    """

    archive: OfficialFile
    folder: str
    members: tuple[str, ...]
    terms: str
    configuration: Path


EXAMPLES = {
    "movielens": Example(
        # size and SHA-256 as TensorFlow Datasets publishes them
        OfficialFile(
            "ml-latest-small.zip",
            "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
            978_202,
            "https://files.grouplens.org/datasets/movielens",
        ),
        "ml-latest-small",
        ("ratings.csv", "movies.csv", "README.txt"),
        "MovieLens is for research and, without permission of GroupLens, not for commercial use; publications "
        "acknowledge Harper and Konstan, 2015 (https://doi.org/10.1145/2827872), and copies keep these terms: "
        "https://files.grouplens.org/datasets/movielens/ml-latest-small-README.html",
        Path(__file__).with_name("movielens.yaml"),
    )
}


def set_up(
    interactions: Path | None, items: Path | None, output: Path | None, example: str | None, base_url: str | None
) -> None:
    """Write a configuration for a user's two files, or set up an example; InputError for what is neither."""
    if example is not None:
        if interactions is not None:
            raise InputError(f"--example {example} brings its own files: leave out {interactions}, or --example")
        set_up_example(example, base_url, output)
    elif base_url is not None:
        raise InputError("--base-url is a mirror of the files of an example: it needs --example movielens")
    elif interactions is None or items is None:
        raise InputError("two files are needed, INTERACTIONS and ITEMS; or --example movielens, which downloads some")
    else:
        write_configuration(interactions, items, output)


def set_up_example(name: str, base_url: str | None, output: Path | None) -> None:
    """Download a dataset, unpack what is needed below `data/downloads`, and write its configuration.

    What is there and whole is not brought again: neither a zip that was put there by hand, which is verified in the
    same way, nor what was unpacked. Raises `InputError` for an unknown example, for a configuration or a file that is
    there and is another, and as :func:`download_file` does.
    """
    if name not in EXAMPLES:
        raise InputError(f"--example {name}: expected one of {', '.join(EXAMPLES)}")
    example = EXAMPLES[name]
    output = output or Path(example.configuration.name)
    if output.exists():
        raise InputError(f"{output} is there: name another file by -o, or remove it")
    archive = DOWNLOADS / example.archive.path
    if find_spec("requests") is None:
        raise InputError("a download needs requests: pip install 'semid[workflow]'")
    from semid.data.download import DownloadSettings, download_file

    with shown_log():
        download_file(
            example.archive, archive, DownloadSettings(base_url, RETRIES, TIMEOUT, mirror="the option `--base-url`")
        )
    print(f"{archive}: {example.archive.size:,} bytes with the expected SHA-256")
    _unpack(example, archive)
    print(f"{archive.with_name(example.folder)}: {', '.join(example.members)}")
    write_text(output, example.configuration.read_text(encoding="utf-8"))
    print(example.terms)
    print(f"{output}: the configuration; call: semid run {output}")


def _unpack(example: Example, archive: Path) -> None:
    """Write the members of a verified zip; each appears whole, and none replaces another file."""
    with zipfile.ZipFile(archive) as opened:
        for member in example.members:
            path = archive.with_name(example.folder) / member
            content = opened.read(f"{example.folder}/{member}")
            if not path.exists():
                with whole_file(path) as temporary:
                    temporary.write_bytes(content)
            elif not path.is_file() or path.read_bytes() != content:
                raise InputError(f"{path} is there, and is not the {member} of {archive}: move it away or remove it")
