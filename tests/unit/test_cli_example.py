"""`semid init --example movielens`, against a server on loopback that has the zip, or another one."""

import gzip
import hashlib
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from loopback import serve

from semid.cli import example as module
from semid.cli.app import run_app
from semid.errors import InputError
from semid.planning import prepare_config, read_schema

ROOT = Path(__file__).parents[2]
ZIP = Path("data/downloads/ml-latest-small.zip")
UNPACKED = ZIP.with_suffix("")
MEMBERS = {"ratings.csv": "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n", "README.txt": "Terms\n"}
MEMBERS["movies.csv"] = "movieId,title,genres\n1,Toy Story (1995),Adventure|Animation\n"


def zipped(path: Path, members: dict[str, str]) -> None:
    """Write a zip of the form of the official one, which also has files that are not needed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ml-latest-small/", "")
        for name, text in {**members, "links.csv": "movieId,imdbId,tmdbId\n"}.items():
            archive.writestr(f"ml-latest-small/{name}", text)


def expect(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the zip at `path` be the official one."""
    content = path.read_bytes()
    example = module.EXAMPLES["movielens"]
    official = example.archive._replace(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    monkeypatch.setitem(module.EXAMPLES, "movielens", replace(example, archive=official))
    monkeypatch.setattr(module, "RETRIES", 0)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the zip that is taken for the official one; the working directory is an empty one beside it."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    zipped(folder / ZIP.name, MEMBERS)
    expect(folder / ZIP.name, monkeypatch)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


@pytest.fixture
def address(mirror: Path) -> Iterator[str]:
    with serve(mirror) as address:
        yield address


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Call `semid init` in this process and return its status."""
    monkeypatch.setattr(sys, "argv", ["semid", "init", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        run_app()
    return int(ended.value.code or 0)


def files() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


def test_the_example_is_downloaded_unpacked_and_configured(address, mirror, monkeypatch, capsys) -> None:
    assert call(monkeypatch, "--example", "movielens", "--base-url", address) == 0
    assert files() == sorted(["movielens.yaml", str(ZIP), *(str(UNPACKED / name) for name in MEMBERS)])
    for name, text in MEMBERS.items():
        assert (UNPACKED / name).read_text() == text
    said = capsys.readouterr().out
    assert "not for commercial use" in said
    assert "https://doi.org/10.1145/2827872" in said
    assert "https://files.grouplens.org/datasets/movielens/ml-latest-small-README.html" in said
    assert said.endswith("movielens.yaml: the configuration; call: semid run movielens.yaml\n")
    config = yaml.safe_load(Path("movielens.yaml").read_text())
    dataset = config["datasets"]["movielens"]
    assert (dataset["ratings"], dataset["movies"]) == (str(UNPACKED / "ratings.csv"), str(UNPACKED / "movies.csv"))
    prepare_config(config, read_schema(ROOT / "schemas" / "config.schema.json"))


def test_a_zip_that_was_put_there_needs_no_network(mirror, monkeypatch) -> None:
    ZIP.parent.mkdir(parents=True)
    ZIP.write_bytes((mirror / ZIP.name).read_bytes())
    assert call(monkeypatch, "--example", "movielens", "--base-url", "http://127.0.0.1:9", "-o", "other.yaml") == 0
    assert Path("other.yaml").is_file()
    # and again, beside what was unpacked
    assert call(monkeypatch, "--example", "movielens", "--base-url", "http://127.0.0.1:9") == 0


def test_a_download_goes_on_where_it_was_cut(address, mirror, monkeypatch, capsys) -> None:
    content = (mirror / ZIP.name).read_bytes()
    partial = ZIP.with_name(f".{ZIP.name}.partial")
    partial.parent.mkdir(parents=True)
    # the server has no ranges: it says that it starts anew, and the file is whole
    partial.write_bytes(content[:100])
    assert call(monkeypatch, "--example", "movielens", "--base-url", address) == 0
    assert ZIP.read_bytes() == content
    assert not partial.exists()
    assert "cannot go on where the download stopped: starting anew" in capsys.readouterr().err


def test_without_a_network_it_says_what_to_do_and_leaves_nothing(mirror, monkeypatch, capsys) -> None:
    assert call(monkeypatch, "--example", "movielens", "--base-url", "http://127.0.0.1:9") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("semid: http://127.0.0.1:9/ml-latest-small.zip: given up after 1 failures in a row")
    assert said.endswith(f"set the option `--base-url` to a mirror, or put the file at {ZIP} yourself")
    assert files() == []


@pytest.mark.parametrize("text", ["userId\n", MEMBERS["ratings.csv"].replace("4.0", "5.0")])
def test_another_zip_is_refused(text, address, mirror, monkeypatch, capsys) -> None:
    zipped(mirror / ZIP.name, MEMBERS | {"ratings.csv": text})
    assert call(monkeypatch, "--example", "movielens", "--base-url", address) == 1
    said = capsys.readouterr().err
    # by its size, or where that is the same by its digest
    assert re.search("this address serves another file[:;] see the option `--base-url`$", said.strip())
    assert "download: base_url" not in said
    assert files() == []
    ZIP.parent.mkdir(parents=True, exist_ok=True)
    ZIP.write_bytes((mirror / ZIP.name).read_bytes())
    assert call(monkeypatch, "--example", "movielens", "--base-url", address) == 1
    assert "Delete it to download it, or put the official file there" in capsys.readouterr().err
    assert files() == [str(ZIP)]


def test_what_is_there_is_never_replaced(address, mirror, monkeypatch, capsys) -> None:
    Path("movielens.yaml").write_text("mine")
    assert call(monkeypatch, "--example", "movielens", "--base-url", address) == 1
    assert "movielens.yaml is there: name another file by -o, or remove it" in capsys.readouterr().err
    assert files() == ["movielens.yaml"]
    UNPACKED.mkdir(parents=True)
    (UNPACKED / "movies.csv").write_text("mine")
    assert call(monkeypatch, "--example", "movielens", "--base-url", address, "-o", "new.yaml") == 1
    assert f"{UNPACKED / 'movies.csv'} is there, and is not the movies.csv of {ZIP}" in capsys.readouterr().err
    assert (UNPACKED / "movies.csv").read_text() == Path("movielens.yaml").read_text() == "mine"
    assert not Path("new.yaml").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--example", "netflix"), "--example netflix: expected one of movielens"),
        (("a.csv", "b.csv", "--example", "movielens"), "brings its own files: leave out a.csv"),
        (("a.csv", "b.csv", "--base-url", "http://host"), "it needs --example movielens"),
        (("a.csv",), "two files are needed, INTERACTIONS and ITEMS"),
        ((), "two files are needed, INTERACTIONS and ITEMS"),
        (("--example", "movielens", "--base-url", "ftp://host"), "an address that begins with http:// or https://"),
    ],
)
def test_wrong_words_are_named(words, said, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, *words) == 1
    assert said in capsys.readouterr().err
    assert files() == []


def test_the_real_files_are_unpacked_byte_for_byte(shared_data: Path, mirror, address, monkeypatch) -> None:
    folder = shared_data / "movielens-latest-small"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    names = ("ratings.csv", "movies.csv")
    members = {name: gzip.decompress((folder / f"{name}.gz").read_bytes()).decode() for name in names}
    members["README.txt"] = (folder / "README.txt").read_text(encoding="utf-8")
    zipped(mirror / ZIP.name, members)
    expect(mirror / ZIP.name, monkeypatch)
    assert call(monkeypatch, "--example", "movielens", "--base-url", address) == 0
    # SHA-256 of the official files
    digests = {name: hashlib.sha256((UNPACKED / name).read_bytes()).hexdigest() for name in names}
    assert digests == {
        "ratings.csv": "aa289ca83157595d0df6aea1be6a4ded676ddc4385472e8313a8ed9805352646",
        "movies.csv": "5a5f32dd9bb3797b8e728a1b98958789d2b13f294a69fdfbc5727f8a9611aa07",
    }


def test_a_download_without_requests_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"a download needs requests: pip install 'semid\[workflow\]'"):
        module.set_up_example("movielens", None, None)
    assert not list(tmp_path.iterdir())
