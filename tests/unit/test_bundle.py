"""Bundles: IDs of items, items of IDs, similar items, IDs of new items, and folders and repositories that hold them."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from fake_hub import TOKEN, Hub, Repository, serve_hub
from markdown_it import MarkdownIt

import semid
from semid.bundle import bundle as bundle_module
from semid.bundle import hub as hub_module
from semid.bundle.card import DescribedBundle, model_card
from semid.cli.app import run_app
from semid.embeddings import HashingSettings, OwnVectors, embedding_space, store
from semid.embeddings.hashing import HashingEncoder
from semid.errors import InputError
from semid.naming import TokenizerName
from semid.quantizers import ExternalCodes, RQKMeans, Tokenizer
from semid.scorecard import Scorecard, ScoredTokenizer, reconstruction_error, scorecard
from semid.semantic_ids.repair import repair_table
from semid.semantic_ids.table import read_semantic_ids, write_semantic_ids

ROOT = Path(__file__).parents[2]
ITEMS = 240
WORDS = ("red", "blue", "small", "large", "cotton", "steel", "garden", "kitchen", "winter", "travel")
SETTINGS = HashingSettings(dim=24, text="A {title}.")
FILES = {"model.safetensors", "config.json", "items.parquet", "README.md"}


def titles() -> list[str]:
    """Titles of three words, of which several items have the same."""
    random = np.random.default_rng(0)
    return [" ".join(WORDS[word] for word in random.choice(len(WORDS), 3)) for _ in range(ITEMS)]


def ids_of_items() -> list[str]:
    # neither in order nor of one width, and with one that only UTF-8 orders
    return [f"item-{(row * 7) % ITEMS}" for row in range(ITEMS - 1)] + ["Жук 甲虫"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `semid fit` makes it, of hashed titles, with a scorecard."""
    folder = tmp_path_factory.mktemp("made") / "tok"
    vectors = HashingEncoder(SETTINGS).encode([f"A {title}." for title in titles()]).astype(np.float16)
    space = {**embedding_space(SETTINGS), "dim": SETTINGS.dim}
    tokenizer = RQKMeans(num_levels=3, codebook_size=8, metadata={"embeddings": space}).fit(vectors)
    tokenizer.save_pretrained(folder)
    codes = tokenizer.encode(vectors)
    write_semantic_ids(folder / "items.parquet", pa.array(ids_of_items()), codes)
    scored = ScoredTokenizer("toys", TokenizerName.parse("rqkmeans_3x8"), ITEMS)
    groups = np.unique(vectors, axis=0, return_inverse=True)[1].reshape(-1)
    error = reconstruction_error(vectors, tokenizer.decode, codes)
    scorecard(scored, codes, groups, error, note="synthetic: ranks nothing").write(folder / "scorecard.json")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "tok"))


@pytest.fixture
def ids(made: Path) -> semid.SemanticIDs:
    return semid.SemanticIDs.from_pretrained(made)


def test_an_item_has_its_id_and_an_unknown_one_is_a_key_error(ids: semid.SemanticIDs, made: Path) -> None:
    codes = read_semantic_ids(made / "items.parquet")
    assert [ids[item] for item in ids_of_items()] == ["-".join(map(str, row)) for row in codes]
    assert len(ids) == ITEMS
    assert "item-7" in ids
    for unknown in ("item-", "item-9999", "", "a", "~", 7):
        assert unknown not in ids
        with pytest.raises(KeyError):
            ids[unknown]


def test_items_are_found_by_every_prefix_as_by_a_scan(ids: semid.SemanticIDs) -> None:
    everything = sorted(zip(map(tuple, ids.codes.tolist()), range(ITEMS), ids_of_items(), strict=True))
    patterns = {"*": ()}
    for row in ids.codes.tolist():
        patterns |= {"-".join(map(str, [*row[:depth], "*"])): tuple(row[:depth]) for depth in (1, 2)}
        patterns["-".join(map(str, row))] = tuple(row)
    for pattern, prefix in patterns.items():
        assert ids.items(pattern) == [item for codes, _, item in everything if codes[: len(prefix)] == prefix], pattern


@pytest.mark.parametrize("pattern", ["9-*", "7-300-*", "0-0-999999999999999999", "1-70000-*"])
def test_codes_that_no_item_has_give_no_items(ids: semid.SemanticIDs, pattern: str) -> None:
    assert ids.items(pattern) == []


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "1",
        "1-2",
        "1-2-",
        "1-2*",
        "-*",
        "1--*",
        "*-1",
        "1-*-2",
        "1-2-3-*",
        "1-2-3-4",
        "01-*",
        "١-*",
        " 1-*",
        "1_2_3",
        1,
    ],
)
def test_malformed_patterns_are_refused(ids: semid.SemanticIDs, pattern: str) -> None:
    example = ids[ids_of_items()[0]]
    prefix = example.rpartition("-")[0]
    expected = (
        f"{pattern!r} is no ID and no prefix of one: expected 3 codes joined by dashes, as in {example!r}, or fewer "
    )
    with pytest.raises(InputError, match=re.escape(f"{expected}and an asterisk, as in '{prefix}-*'")):
        ids.items(pattern)


@pytest.mark.parametrize("values", [24 * 7, 1 << 22])
def test_the_nearest_items_are_those_of_brute_force(
    ids: semid.SemanticIDs, monkeypatch: pytest.MonkeyPatch, values: int
) -> None:
    # blocks of seven IDs, or one of all
    monkeypatch.setattr(store, "BLOCK_VALUES", values)
    vectors = ids.tokenizer.decode(ids.codes).astype(np.float64)
    names = ids_of_items()
    for row in (0, 17, ITEMS - 1):
        distances = np.sqrt(((vectors - vectors[row]) ** 2).sum(axis=1))
        # stable: of equal distances the earlier row
        order = [other for other in np.argsort(distances.round(9), kind="stable") if other != row]
        for k in (1, 10, ITEMS + 5):
            found = ids.like(names[row], k)
            assert [name for name, _ in found] == [names[other] for other in order[:k]]
            np.testing.assert_allclose([distance for _, distance in found], distances[order[:k]], atol=1e-6)
            assert all(distance == 0 for name, distance in found if ids[name] == ids[names[row]])


def test_an_unknown_item_and_no_neighbours_are_refused(ids: semid.SemanticIDs) -> None:
    with pytest.raises(KeyError):
        ids.like("item-9999")
    with pytest.raises(InputError, match="k must be at least 1, got 0"):
        ids.like("item-7", 0)


def test_texts_get_the_ids_that_items_of_these_texts_have(ids: semid.SemanticIDs) -> None:
    np.testing.assert_array_equal(ids.encode_text(titles()), ids.codes)
    rows = [{"title": f"  {title} ", "unused": 3} for title in titles()[:5]]
    assert ids.strings(ids.encode_text(rows)) == [ids[item] for item in ids_of_items()[:5]]


def test_vectors_are_encoded_and_codes_decoded_as_by_the_tokenizer(ids: semid.SemanticIDs, made: Path) -> None:
    tokenizer = Tokenizer.from_pretrained(made)
    vectors = np.random.default_rng(1).normal(size=(9, SETTINGS.dim)).astype(np.float32)
    codes = tokenizer.encode(vectors)
    np.testing.assert_array_equal(ids.encode(vectors), codes)
    np.testing.assert_array_equal(ids.decode(codes), tokenizer.decode(codes))


@pytest.mark.parametrize(
    ("texts", "template", "message"),
    [
        (
            ["a"],
            "{title} {store}",
            "item 0 is a text, but '{title} {store}' has several fields: give each item as a map",
        ),
        ([{"title": "a"}], "{title} {store}", "item 0 has no 'store'"),
        ([{"title": 3}], "{title}", "item 0: 'title' is 3; expected a text, a list of texts or None"),
        (["a", 7], "{title}", "item 1 is int: expected a text, or a map of title"),
        ("a text", "{title}", "expected a list of items, got one"),
        ([], "{title}", "expected at least one item, got none"),
    ],
)
def test_items_without_the_fields_of_the_template_are_refused(
    ids: semid.SemanticIDs, texts: object, template: str, message: str
) -> None:
    ids.tokenizer.metadata["embeddings"]["text"] = template
    with pytest.raises(InputError, match=re.escape(message)):
        ids.encode_text(texts)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            embedding_space(OwnVectors(table="v.parquet")),
            "since the vectors were given (own vectors: own): embed the new",
        ),
        (None, "no encoder of texts is recorded: embed the new items"),
        (
            {"model": "local folder", "weights_sha256": "0"},
            "the encoder was a local folder: say where it is (encoder=…)",
        ),
        ({"model": "hashing", "seed": 0}, "the recorded encoder cannot be read (KeyError('dim'))"),
        ({"model": "hashing", "seed": 0, "text": "{title}", "dim": 24, "stems": True}, "vectors of another space"),
    ],
)
def test_texts_are_refused_where_no_encoder_can_be_had(ids: semid.SemanticIDs, space: object, message: str) -> None:
    ids.tokenizer.metadata["embeddings"] = space
    with pytest.raises(InputError, match=re.escape(message)):
        ids.encode_text(["red steel"])


def test_a_bundle_is_neat_and_its_files_are_those_of_the_source(folder: Path, tmp_path: Path) -> None:
    for other in ("codes", "inverted"):
        (folder / other).mkdir()
    (folder / "codebook.md").write_text("titles")
    ids = semid.SemanticIDs.from_pretrained(folder)
    ids.save_pretrained(tmp_path / "out/toys")
    assert {path.name for path in (tmp_path / "out/toys").iterdir()} == {*FILES, "scorecard.json"}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["toys"]
    for name in ("model.safetensors", "config.json", "items.parquet", "scorecard.json"):
        assert (tmp_path / "out/toys" / name).read_bytes() == (folder / name).read_bytes()
    again = semid.SemanticIDs.from_pretrained(tmp_path / "out/toys")
    assert again.like("item-7", 5) == ids.like("item-7", 5)
    again.save_pretrained(tmp_path / "again")
    for name in (*FILES, "scorecard.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out/toys" / name).read_bytes()


def test_a_table_of_another_form_becomes_ours_and_has_no_scorecard(folder: Path, tmp_path: Path) -> None:
    ids = semid.SemanticIDs.from_pretrained(folder)
    lines = [f"{item},{ids[item]},secret" for item in ids_of_items()]
    (tmp_path / "mine.csv").write_text("\n".join(["item_id,code_str,title", *lines]))
    other = semid.SemanticIDs.from_pretrained(folder, table=tmp_path / "mine.csv")
    assert other.scorecard is None
    other.save_pretrained(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert (tmp_path / "out/items.parquet").read_bytes() == (folder / "items.parquet").read_bytes()


def test_a_bundle_replaces_a_bundle_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    ids = semid.SemanticIDs.from_pretrained(folder)
    # a folder that is a source may be the target too
    ids.save_pretrained(folder)
    assert {path.name for path in folder.iterdir()} == {*FILES, "scorecard.json"}
    (folder / "scorecard.json").unlink()
    semid.SemanticIDs.from_pretrained(folder).save_pretrained(folder)
    assert {path.name for path in folder.iterdir()} == FILES
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"it holds other files than a bundle \(notes.txt\)"):
        ids.save_pretrained(folder)
    with pytest.raises(InputError, match="expected a folder, found a file"):
        ids.save_pretrained(folder / "notes.txt")
    assert {path.name for path in tmp_path.iterdir()} == {"tok"}


def test_a_write_that_fails_leaves_the_bundle_that_was_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = semid.SemanticIDs.from_pretrained(folder)
    ids.save_pretrained(tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def fail(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(bundle_module, "write_text", fail)
    with pytest.raises(OSError, match="no room"):
        ids.save_pretrained(tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"tok", "out"}


@pytest.mark.parametrize("mode", ["assign", "suffix"])
def test_repaired_ids_belong_to_the_tokenizer_in_the_folder_above(folder: Path, tmp_path: Path, mode: str) -> None:
    repaired = folder / f"repair-{mode}"
    repair_table(folder / "items.parquet", repaired, mode, model=folder)
    semid.SemanticIDs.from_pretrained(repaired).save_pretrained(tmp_path / "out")
    ids = semid.SemanticIDs.from_pretrained(tmp_path / "out")
    assert (tmp_path / "out/items.parquet").read_bytes() == (repaired / "items.parquet").read_bytes()
    assert (tmp_path / "out/model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    names = ids.item_ids.to_pylist()
    assert len({ids[item] for item in names}) == ITEMS
    # a further code decodes to nothing
    vectors = ids.tokenizer.decode(ids.codes[:, :3]).astype(np.float64)
    np.testing.assert_array_equal(ids.decode(ids.codes), vectors)
    distances = np.sqrt(((vectors - vectors[17]) ** 2).sum(axis=1))
    order = [row for row in np.argsort(distances.round(9), kind="stable") if row != 17]
    assert [found.item_id for found in ids.like(names[17], 30)] == [names[row] for row in order[:30]]


def test_a_prefix_of_ids_with_a_suffix_is_a_native_id(folder: Path) -> None:
    native = semid.SemanticIDs.from_pretrained(folder)
    repair_table(folder / "items.parquet", folder / "repair-suffix", "suffix", model=folder)
    ids = semid.SemanticIDs.from_pretrained(folder / "repair-suffix")
    for item in ids_of_items():
        assert ids[item].rpartition("-")[0] == native[item]
        assert sorted(ids.items(f"{native[item]}-*")) == sorted(native.items(native[item]))
        assert ids.items(ids[item]) == [item]


def test_codes_of_no_tokenizer_can_be_looked_up_and_not_made(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    codes = np.array([[0], [1], [2], [0], [1], [2]])
    ExternalCodes(num_levels=1, codebook_size=3).fit(vectors, codes=codes).save_pretrained(tmp_path / "given")
    write_semantic_ids(tmp_path / "given/items.parquet", pa.array(list("abcdef")), codes)
    ids = semid.SemanticIDs.from_pretrained(tmp_path / "given")
    assert ids["e"] == "1"
    assert ids.items("2") == ["c", "f"]
    assert ids.items("*") == ["a", "d", "b", "e", "c", "f"]
    assert ids.like("a", 1) == [("d", 0.0)]
    with pytest.raises(
        InputError, match="expected 1 code joined by dashes, as in '0', or fewer and an asterisk, as in"
    ):
        ids.items("2-*")
    with pytest.raises(InputError, match="new items cannot be encoded: "):
        ids.encode(vectors)


def test_parts_that_do_not_fit_together_are_refused(folder: Path, tmp_path: Path) -> None:
    read = semid.SemanticIDs.from_pretrained
    for source in (tmp_path / "absent", "absent", "a/b/c", "./absent", folder / "items.parquet"):
        with pytest.raises(InputError, match="expected the folder of a bundle, or owner/name on the Hugging Face hub"):
            read(source)
    with pytest.raises(InputError, match="is a folder, which has no revision 'v1'"):
        read(folder, "v1")
    names = pa.array(["a", "b"])
    write_semantic_ids(folder / "items.parquet", names, np.array([[0, 1], [1, 1]]))
    with pytest.raises(InputError, match="the tokenizer has 3 levels, the codes have 2"):
        read(folder)
    write_semantic_ids(folder / "items.parquet", names, np.array([[0, 1, 2], [0, 8, 2]]))
    with pytest.raises(
        InputError, match=r"code 8 of level 2 is none of the 8 of .*: give the table of the same tokenizer"
    ):
        read(folder)
    write_semantic_ids(folder / "items.parquet", names, np.array([[0, 1, 2], [0, 7, 2]]))
    with pytest.raises(InputError, match=r"its figures are of 240 items with .* IDs, but .* has 2 with 2: score again"):
        read(folder).save_pretrained(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (folder / "items.parquet").unlink()
    with pytest.raises(InputError, match=r"there is no items.parquet, which holds the IDs: in the workflow, ask for"):
        read(folder)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"there is no config.json: expected a bundle"):
        read(folder)


def rendered(page: str) -> str:
    """The HTML of a page without its header."""
    return MarkdownIt("commonmark").enable("table").render(page.split("---\n", 2)[2])


def header(page: str) -> dict[str, object]:
    """What the hub reads of a page."""
    match = re.match(r"---\n(.*?\n)---\n", page, re.DOTALL)
    assert match
    content = yaml.safe_load(match[1])
    assert isinstance(content, dict)
    return content


def test_the_model_card_says_what_the_scorecard_says(ids: semid.SemanticIDs, tmp_path: Path) -> None:
    ids.save_pretrained(tmp_path / "out")
    page = (tmp_path / "out/README.md").read_text()
    assert header(page)["library_name"] == "semid"
    assert "rqkmeans" in header(page)["tags"]
    html = re.sub(r"<[^>]+>", "", rendered(page))
    card = ids.scorecard
    assert card is not None
    assert card.reconstruction is not None
    for said in (
        "Semantic IDs of toys by rqkmeans_3x8",
        f"codes for {ITEMS} items",
        "An ID has 3 codes, each one of 8",
        "seed 0",
        f"{card.distinct_codes} differ",
        f"{card.items_in_collisions} items share their ID",
        f"{card.reconstruction.relative_error:.4f} of the variance is lost",
        f"{card.levels[2].perplexity:.1f}",
        "encoder: hashing",
        "text of an item: A {title}.",
        "synthetic: ranks nothing.",
        f"semid {semid.__version__}",
        *card.warnings,
    ):
        assert said in html, said


def test_the_lines_of_a_model_card_run(ids: semid.SemanticIDs, tmp_path: Path) -> None:
    ids.save_pretrained(tmp_path / "out")
    lines = re.search(r"```python\n(.*?)```", (tmp_path / "out/README.md").read_text(), re.DOTALL)
    assert lines
    names = {"vectors": np.zeros((1, SETTINGS.dim), np.float32), "texts": ["red steel"]}
    exec(lines[1].replace("path/of/this/folder", str(tmp_path / "out")), names)
    assert names["ids"]["item-7"]


def test_a_model_card_without_a_scorecard_counts_for_itself(
    ids: semid.SemanticIDs, folder: Path, tmp_path: Path
) -> None:
    card = ids.scorecard
    assert card is not None
    (folder / "scorecard.json").unlink()
    semid.SemanticIDs.from_pretrained(folder).save_pretrained(tmp_path / "out")
    html = re.sub(r"<[^>]+>", "", rendered((tmp_path / "out/README.md").read_text()))
    assert f"{card.distinct_codes} differ" in html
    assert f"{card.items_in_collisions} items share their ID" in html
    assert f"{card.levels[0].perplexity:.1f}" in html
    assert "The error of decoding was not measured." in html


HOSTILE = '---\nlicense: evil\n---\n# big | <img src=x onerror=a> [a](http://x.y) ``` ${x} @someone\n\n- "q": {a: *b}'


def test_names_of_users_break_neither_header_nor_page(ids: semid.SemanticIDs) -> None:
    card = ids.scorecard
    assert card is not None
    harmless = ids.tokenizer.metadata["embeddings"]
    pages = []
    for word in ("plain", HOSTILE):
        ids.tokenizer.metadata["embeddings"] = {**harmless, "text": word, word: word}
        named = replace(card, dataset=word, tokenizer=word, note=word, warnings=(word,))
        described = DescribedBundle(ids.tokenizer, ids.codes, ids.sizes, (word, "1-2-3"), named)
        pages.append(model_card(described, "me/toys"))
    plain, hostile = pages
    assert header(hostile) == header(plain)
    tags = [re.findall(r"</?\w+", rendered(page)) for page in pages]
    assert tags[0] == tags[1]
    assert "license: evil" in re.sub(r"<[^>]+>", "", rendered(hostile))


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve_hub() as server:
        yield server


def call(hub: Hub, home: Path, *words: object, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    """Call Python in a process of its own, for which this hub is the hub and `home` has its cache."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(home),
        "HF_TOKEN": token,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": str(ROOT),
        "NO_PROXY": "127.0.0.1",
    }
    run = [sys.executable, *map(str, words)]
    return subprocess.run(run, env=environment, capture_output=True, text=True, cwd=home.parent)


READ = """
import sys, semid
folder, *of_items = sys.argv[1:]
ids = semid.SemanticIDs.from_pretrained("me/toys")
ids.save_pretrained(folder)
print(*(ids[item] for item in of_items))
"""


def test_what_is_pushed_to_a_hub_comes_back_byte_by_byte(hub: Hub, made: Path, tmp_path: Path) -> None:
    push = ("-m", "semid.cli", "bundle", made, "-o", tmp_path / "out", "--push-to-hub", "me/toys", "--private")
    run = call(hub, tmp_path / "home", *push)
    assert run.returncode == 0, run.stderr
    repository = hub.repositories["me/toys"]
    sha, files = repository.commits[-1]
    assert run.stdout.splitlines()[-1] == f"{hub.address}/me/toys/commit/{sha}"
    assert repository.private
    assert len(repository.commits) == 2  # the first is that of the hub
    assert {*files} == {*FILES, "scorecard.json", ".gitattributes"}
    for name in ("model.safetensors", "config.json", "items.parquet", "scorecard.json"):
        assert files[name] == (made / name).read_bytes()
    assert b'from_pretrained("me/toys")' in files["README.md"]
    assert "It seems that you are about to commit" not in run.stderr

    run = call(hub, tmp_path / "empty", "-c", READ, tmp_path / "back", "item-7", "item-8")
    assert run.returncode == 0, run.stderr
    ids = semid.SemanticIDs.from_pretrained(made)
    assert run.stdout.split() == [ids["item-7"], ids["item-8"]]
    for name in ("model.safetensors", "config.json", "items.parquet", "scorecard.json"):
        assert (tmp_path / "back" / name).read_bytes() == files[name]


AGAIN = """
import sys, semid
from semid.errors import InputError
folder, = sys.argv[1:]
ids = semid.SemanticIDs.from_pretrained(folder)
ids.push_to_hub("me/toys", commit_message="Without figures")
for act in (
    lambda: ids.push_to_hub("me/toys", token="hf_wrong"),
    lambda: semid.SemanticIDs.from_pretrained("me/absent"),
    lambda: semid.SemanticIDs.from_pretrained("me/toys", "v9"),
    lambda: ids.push_to_hub("toys"),
):
    try:
        act()
    except InputError as error:
        print(error)
"""


def test_a_later_push_leaves_nothing_of_the_bundle_before_and_refusals_are_one_line(
    hub: Hub, folder: Path, tmp_path: Path
) -> None:
    (folder / "scorecard.json").unlink()
    repository = hub.repositories["me/toys"] = hub_repository()
    run = call(hub, tmp_path / "home", "-c", AGAIN, folder)
    assert run.returncode == 0, run.stderr
    assert {*repository.files} == {*FILES, ".gitattributes", "notes.md"}
    assert repository.messages == ["initial commit", "Without figures"]
    refused, absent, revision, name = run.stdout.splitlines()
    assert refused.startswith("me/toys: the hub does not take the bundle: ")
    assert absent.startswith("me/absent: it is no folder here, and cannot be had from the hub: ")
    assert revision.startswith("me/toys: it is no folder here, and cannot be had from the hub: ")
    assert name == "'toys' is no repository of the hub: expected owner/name"
    assert "hf_wrong" not in run.stdout


def hub_repository() -> Repository:
    """A repository with an older bundle and a file of the user's."""
    repository = Repository(private=False)
    files = {".gitattributes": b"", "scorecard.json": b"{}", "notes.md": b"mine"}
    repository.commit(files, "initial commit")
    return repository


def test_without_the_client_of_the_hub_the_error_names_the_extra(
    ids: semid.SemanticIDs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=re.escape("pip install 'semid[hub]'")):
        hub_module.download_bundle("me/toys")
    with pytest.raises(InputError, match=re.escape("pip install 'semid[hub]'")):
        ids.push_to_hub("me/toys")


ALONE = """
import sys
for package in ("duckdb", "faiss", "huggingface_hub", "jsonschema", "requests", "sentence_transformers", "sklearn",
                "snakemake", "transformers", "yaml"):
    sys.modules[package] = None
import semid
ids = semid.SemanticIDs.from_pretrained(sys.argv[1])
ids.save_pretrained(sys.argv[2])
print(ids.like("item-7", 1)[0].distance >= 0, ids.encode(ids.decode(ids.codes)).shape)
"""


def test_a_bundle_needs_no_package_of_an_extra(made: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", ALONE, made, tmp_path / "out"]
    run = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.strip() == f"True ({ITEMS}, 3)", run.stderr
    assert (tmp_path / "out/README.md").is_file()


def test_the_package_is_imported_without_torch_and_knows_its_names() -> None:
    code = "import sys, semid; print('torch' in sys.modules, 'numpy' in sys.modules, semid.__version__)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout.split()
    assert said == ["False", "False", semid.__version__]
    with pytest.raises(AttributeError, match="module 'semid' has no attribute 'Bundle'"):
        _ = semid.Bundle


def test_the_command_writes_a_bundle(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["semid", "bundle", str(folder), "-o", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        run_app()
    assert not ended.value.code
    assert "the IDs of 240 items, their tokenizer, and README.md" in capsys.readouterr().out
    assert isinstance(Scorecard.read(tmp_path / "out/scorecard.json"), Scorecard)
    assert semid.SemanticIDs.from_pretrained(tmp_path / "out")["item-7"]
