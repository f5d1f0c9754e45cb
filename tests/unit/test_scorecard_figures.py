"""Scorecards and codebook pages against hand-computed answers and plain loops."""

import csv
import json
import math
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_embeddings_store import write_store

from semid.embeddings import write_first_of_identical
from semid.errors import InputError
from semid.naming import TokenizerName
from semid.quantizers import RQKMeans
from semid.scorecard import (
    SCORECARD_COLUMNS,
    LevelUsage,
    Reconstruction,
    Scorecard,
    ScoredTokenizer,
    SharedPrefix,
    Structure,
    codebook_page,
    collect_scorecards,
    reconstruction_error,
    scorecard,
)
from semid.scorecard.page import codes_to_show, escape_markdown
from semid.scorecard.score import score_tokenizer
from semid.semantic_ids import write_codes
from semid.statistics.entropy import gini

# Eight items, two levels of four codes. Items 0, 1, 2 share a code, and 0 and 1 an embedding; 6 and 7 share both.
CODES = np.array([[0, 1], [0, 1], [0, 1], [0, 2], [1, 0], [1, 3], [2, 2], [2, 2]])
GROUPS = np.array([5, 5, 9, 1, 2, 3, 4, 4])


def scored(
    codes: np.ndarray,
    sizes: tuple[int, ...],
    train_items: int,
    groups: np.ndarray,
    method: str = "rqkmeans",
    **figures: object,
) -> Scorecard:
    """The scorecard of codes of these sizes, whoever gave them."""
    return scorecard(ScoredTokenizer("tiny", TokenizerName(method, sizes), train_items), codes, groups, **figures)


def test_hand_computed_scorecard(tmp_path: Path) -> None:
    card = scored(CODES, (4, 4), train_items=6, groups=GROUPS)
    assert card.items == 8
    assert card.train_items_per_code == 1.5
    assert card.bits == 4.0
    assert card.prefixes == (
        SharedPrefix(depth=1, distinct=3, items_sharing=8, largest=4, chance=(12 + 2 + 2) / 56),
        SharedPrefix(depth=2, distinct=5, items_sharing=5, largest=3, chance=(6 + 2) / 56),
    )
    # level 1: shares 4/8, 2/8, 2/8; level 2: one, three, three and one of eight
    first, second = 1.5, 2 * (1 / 8) * 3 + 2 * (3 / 8) * math.log2(8 / 3)
    assert [level.used_codes for level in card.levels] == [3, 4]
    assert [level.entropy_bits for level in card.levels] == pytest.approx([first, second])
    assert [level.perplexity for level in card.levels] == pytest.approx([2**first, 2**second])
    assert card.entropy_bits == pytest.approx(first + second)
    # counts 4, 2, 2, 0 and 1, 3, 3, 1: sums of absolute differences of all pairs over twice codes times items
    assert [level.gini for level in card.levels] == pytest.approx([24 / 64, 16 / 64])
    assert card.distinct_codes == 5
    assert card.unique_codes == 5 / 8
    assert card.items_in_collisions == 5
    assert card.items_in_collisions_identical == 4
    assert card.distinct_embeddings == 6
    assert card.largest_bucket == 3
    assert card.reconstruction is None
    card.write(tmp_path / "scorecard.json")
    assert Scorecard.read(tmp_path / "scorecard.json") == card


def test_levels_of_unlike_sizes_are_held_against_their_own() -> None:
    # four of four codes, then two of two, then one of sixteen
    codes = np.array([[n % 4, n % 2, 0] for n in range(8)])
    card = scored(codes, (4, 2, 16), train_items=40, groups=np.arange(8))
    assert card.bits == 2 + 1 + 4
    assert card.train_items_per_code == 40 / 16
    assert [level.used_codes for level in card.levels] == [4, 2, 1]
    assert [level.perplexity for level in card.levels] == [4, 2, 1]
    # all items on one of K codes: 1 - 1/K
    assert [level.gini for level in card.levels] == [0, 0, 15 / 16]
    # a perplexity of 1 is a tenth or more of every size but the largest
    assert card.warnings[0].startswith("Of 16 codes a few hold most items (perplexity 1.0 at level 3): ")
    assert "level 1" not in card.warnings[0]
    few = scored(codes, (16, 64, 32), train_items=100, groups=np.arange(8)).warnings
    assert few[0].startswith("100 training items for codebooks of 64: fewer than 2 a code")
    assert few[1].startswith("Of 64 or 32 codes a few hold most items (perplexity 2.0 at level 2, 1.0 at level 3): ")


def test_items_of_one_embedding_with_different_codes_do_not_collide() -> None:
    card = scored(np.array([[0], [1], [1]]), (2,), 3, groups=np.array([7, 7, 8]))
    assert card.items_in_collisions == 2
    assert card.items_in_collisions_identical == 0


def test_a_perfect_codebook_has_perplexity_k() -> None:
    card = scored(np.arange(16).reshape(16, 1), (16,), 16, groups=np.arange(16))
    assert card.levels == (LevelUsage(level=1, used_codes=16, entropy_bits=4.0, perplexity=16.0, gini=0.0),)
    assert card.unique_codes == 1
    assert card.items_in_collisions == 0
    assert card.entropy_bits == card.bits == 4.0


def test_prefixes_of_many_large_levels_do_not_overflow() -> None:
    """Eight levels of 65,536 codes are 128 bits: two items that differ in the first level alone stay apart."""
    codes = np.full((3, 8), 65_535)
    codes[1, 0] = 0
    codes[2, 7] = 0
    card = scored(codes, (65_536,) * 8, 3, groups=np.arange(3))
    assert [prefix.distinct for prefix in card.prefixes] == [2] * 7 + [3]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_scorecard_equals_plain_counting(data: st.DataObject) -> None:
    n, levels, size = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    codes, groups = random.integers(0, size, (n, levels)), random.integers(0, 6, n)
    card = scored(codes.astype(np.uint16 if n % 2 else np.int32), (size,) * levels, n, groups)
    for depth, prefix in enumerate(card.prefixes, start=1):
        sizes = Counter(tuple(row[:depth]) for row in codes.tolist())
        shared = sum(size for size in sizes.values() if size > 1)
        chance = pytest.approx(sum(size * (size - 1) for size in sizes.values()) / (n * (n - 1))) if n > 1 else None
        assert prefix == SharedPrefix(
            depth=depth,
            distinct=len(sizes),
            items_sharing=shared,
            largest=max(sizes.values()),
            chance=chance,
        )
    pairs = Counter((*row, group) for row, group in zip(codes.tolist(), groups.tolist(), strict=True))
    assert card.items_in_collisions_identical == sum(size for size in pairs.values() if size > 1)
    assert card.distinct_embeddings == len(set(groups.tolist()))
    for level, figures in enumerate(card.levels):
        counts = Counter(codes[:, level].tolist()).values()
        assert figures.used_codes == len(counts)
        of_all = [*counts, *[0] * (size - len(counts))]
        differences = sum(abs(left - right) for left in of_all for right in of_all)
        assert figures.gini == pytest.approx(differences / (2 * size * n), abs=1e-12)
        entropy = -sum(count / n * math.log2(count / n) for count in counts)
        assert figures.entropy_bits == pytest.approx(entropy, abs=1e-9)


def test_no_warning_for_a_healthy_tokenizer() -> None:
    codes = np.stack(np.meshgrid(np.arange(16), np.arange(16)), -1).reshape(-1, 2)
    assert scored(codes, (16, 16), 256, groups=np.arange(256)).warnings == ()


@pytest.mark.parametrize(
    ("codes", "size", "train", "message"),
    [
        (np.arange(40).reshape(-1, 1), 40, 79, "79 training items for codebooks of 40: fewer than 2 a code"),
        (
            np.arange(48).reshape(-1, 1) % 12,
            128,
            256,
            "Of 128 codes a few hold most items (perplexity 12.0 at level 1)",
        ),
        (np.array([[0]] * 3 + [[n] for n in range(1, 17)]), 17, 100, "One code holds 3 of 19 items (16%)"),
        (np.array([[n // 3, n // 3] for n in range(60)]), 20, 100, "100% of the items share their whole code"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(codes: np.ndarray, size: int, train: int, message: str) -> None:
    found = scored(codes, (size,) * codes.shape[1], train, groups=np.arange(len(codes))).warnings
    assert len(found) == 1
    assert message in found[0]
    assert found[0].endswith(".")


def test_codes_made_elsewhere_get_no_advice_on_our_options() -> None:
    codes = np.arange(48).reshape(-1, 1) % 12
    ours, theirs = (
        scored(codes, (128,), 256, groups=np.arange(48), method=method).warnings for method in ("rqkmeans", "external")
    )
    assert "pca_dim" in ours[0]
    assert "the codebook collapsed" in theirs[0]
    assert "pca_dim" not in theirs[0]
    assert "codebook_dim" not in theirs[0]
    assert theirs[0].endswith(".")


def test_one_code_for_everything_has_the_greatest_gini() -> None:
    assert gini(np.array([0, 9, 0, 0])) == pytest.approx(3 / 4)
    assert gini(np.array([5])) == pytest.approx(0)


def test_lift_is_over_the_mean_of_shuffled_items() -> None:
    """Chance equals what permuting the items over the codes gives the same pairs, on average."""
    random = np.random.default_rng(0)
    codes = random.integers(0, 3, (12, 2))
    pairs = np.array([(a, b) for a in range(6) for b in range(6, 9)])
    shared = np.zeros(2)
    for _ in range(4000):
        left, right = codes[random.permutation(12)][pairs.T]
        shared += [(left[:, 0] == right[:, 0]).mean(), (left == right).all(axis=1).mean()]
    structure = Structure(cooccurrence=(0.5, 0.25))
    card = scored(codes, (3, 3), 12, np.arange(12), structure=structure)
    chance = shared / 4000
    assert [prefix.chance for prefix in card.prefixes] == pytest.approx(chance, rel=0.05)
    assert card.structure.cooccurrence_lift == pytest.approx([0.5, 0.25] / chance, rel=0.05)
    unique = scored(np.arange(4).reshape(-1, 1), (4,), 4, np.arange(4), structure=Structure(cooccurrence=(0.0,)))
    assert unique.structure.cooccurrence_lift == (None,)


def test_exactly_two_training_items_a_code_are_enough() -> None:
    assert scored(np.arange(40).reshape(-1, 1), (40,), 80, groups=np.arange(40)).warnings == ()


def test_a_flat_codebook_is_not_blamed_for_sharing_codes() -> None:
    assert scored(np.arange(400).reshape(-1, 1) % 100, (100,), 400, groups=np.arange(400)).warnings == ()


def test_note_is_kept() -> None:
    assert scored(CODES, (4, 4), 8, GROUPS, note="synthetic data").note == "synthetic data"


@pytest.mark.parametrize(
    ("codes", "groups", "message"),
    [
        (CODES, GROUPS[:-1], f"{len(CODES)} codes, but {len(CODES) - 1} groups"),
        (CODES[:0], GROUPS[:0], "no codes"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(codes: np.ndarray, groups: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scored(codes, (4, 4), 8, groups)


@pytest.mark.parametrize("block_rows", [1, 7, 50, 1000])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_reconstruction_error_does_not_depend_on_blocks(block_rows: int, dtype: str) -> None:
    random = np.random.default_rng(0)
    # a mean far from zero: sums of squares minus squares of sums would lose the variance in float32
    vectors = (random.normal(size=(100, 6)) + 100).astype(dtype)
    codebook = vectors[random.choice(100, 8, replace=False)].astype(np.float32)
    codes = random.integers(0, 8, (100, 1))
    found = reconstruction_error(vectors, lambda block: codebook[block[:, 0]], codes, block_rows)
    exact = vectors.astype(np.float64)
    error = ((exact - codebook[codes[:, 0]]) ** 2).sum(1).mean()
    variance = exact.var(axis=0).sum()
    expected = {"error": error, "variance": variance, "relative_error": error / variance}
    assert vars(found) == pytest.approx(expected)


def test_decoding_to_the_mean_has_relative_error_one() -> None:
    vectors = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    mean = torch.from_numpy(vectors.mean(0, keepdims=True))
    found = reconstruction_error(vectors, lambda codes: mean.expand(len(codes), -1), np.zeros((64, 2), int), 10)
    assert found.relative_error == pytest.approx(1)


def test_equal_vectors_have_no_relative_error() -> None:
    vectors = np.ones((5, 2), np.float32)
    found = reconstruction_error(vectors, lambda codes: np.zeros((len(codes), 2)), np.zeros((5, 1), int))
    assert found == Reconstruction(error=2.0, variance=0.0, relative_error=None)


def test_codes_to_show_are_the_largest_and_a_spread() -> None:
    counts = np.arange(100)
    shown = codes_to_show(counts, 20)
    assert shown[:10].tolist() == list(range(99, 89, -1))
    assert shown[10] == 89
    assert shown[-1] == 1  # code 0 holds nothing
    assert len(set(shown.tolist())) == 20
    assert (np.diff(counts[shown]) < 0).all()
    assert codes_to_show(np.array([0, 3, 0, 5]), 20).tolist() == [3, 1]


def test_page_shows_titles_and_the_commonest_category() -> None:
    codes = np.array([[1, 0], [1, 1], [3, 0], [1, 2], [3, 5]])
    titles = ["Red soap", "Blue\nsoap", None, "Green soap", "x" * 300]
    categories = [["Beauty", "Soap"], ["Beauty", "Soap"], None, ["Beauty", "Bath"], []]
    blocks = [(titles[:2], categories[:2]), (titles[2:], categories[2:])]
    lines = codebook_page(codes, blocks, "Codes", note="synthetic data").splitlines()
    assert lines[:3] == ["# Codes", "", "> synthetic data"]
    assert [line for line in lines if line.startswith("## ")] == ["## Code 1: 3 items", "## Code 3: 2 items"]
    assert "67% in “Soap”" in lines
    assert [line for line in lines if line.startswith("- ")] == [
        "- “Red soap”",
        "- “Blue soap”",
        "- “Green soap”",
        "- (no title)",
        "- “" + "x" * 99 + "…”",
    ]
    assert sum(" in “" in line for line in lines) == 1  # code 3 has no category


def test_page_does_not_depend_on_blocks_and_shows_five_titles_a_code() -> None:
    random = np.random.default_rng(0)
    codes = random.integers(0, 40, (2000, 2))
    titles = [f"title {row} of {code}" for row, code in enumerate(codes[:, 0])]
    categories = [[f"category {random.integers(3)}"] for _ in titles]

    def page(step: int, seed: int = 0) -> str:
        blocks = [(titles[at : at + step], categories[at : at + step]) for at in range(0, 2000, step)]
        return codebook_page(codes, blocks, "Codes", seed=seed)

    assert page(7) == page(2000)
    assert page(2000, seed=1) != page(2000)
    sections = page(2000).split("## Code ")[1:]
    assert len(sections) == 20
    for section in sections:
        code, size = section.split(" items")[0].split(": ")
        assert int(size) == (codes[:, 0] == int(code)).sum()
        shown = [line for line in section.splitlines() if line.startswith("- ")]
        assert len(set(shown)) == 5
        assert all(line.endswith(f" of {code}”") for line in shown)


def test_page_needs_as_many_items_as_codes() -> None:
    with pytest.raises(ValueError, match="3 codes, but 2 items"):
        codebook_page(np.zeros((3, 1), int), [(["a", "b"], [None, None])], "Codes")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a *b* _c_ `d`", r"a \*b\* \_c\_ \`d\`"),
        ("[link](http://x) <script>", r"\[link\](http:<!-- -->//x) \<script\>"),
        ("@home, by a.b@example.com", "@<!-- -->home, by a.b@<!-- -->example.com"),
        ("www.example.com FTP://x", "www<!-- -->.example.com FTP:<!-- -->//x"),
        ("fix #12 of C#", r"fix \#<!-- -->12 of C\#"),
        ("\x1b[31mred\x07 \u2028end", r"\[31mred end"),
        ("- a", r"\- a"),
        ("12. a", r"12\. a"),
        ("12 a - 3. b + c", "12 a - 3. b + c"),
        ("one\n\n# two\r\n- three", r"one \# two - three"),
        (r"\ & | ~ $", r"\\ \& \| \~ \$"),
        ("  plain, text. 50% (new)  ", "plain, text. 50% (new)"),
    ],
)
def test_text_of_users_is_shown_as_it_is(text: str, shown: str) -> None:
    assert escape_markdown(text) == shown


def tiny_tokenizer() -> RQKMeans:
    """One whose codes all decode to zero."""
    tokenizer = RQKMeans(num_levels=2, codebook_size=4)
    tokenizer.mean_, tokenizer.directions_ = torch.zeros(3), torch.zeros(0, 3)
    tokenizer.codebooks_, tokenizer.cluster_sizes_ = torch.zeros(2, 4, 3), torch.ones(2, 4, dtype=torch.int64)
    return tokenizer


STRUCTURE = Structure(
    category_level=2,
    category_ami=0.25,
    cosine_prefix_spearman=0.5,
    neighbours_same_level1=0.75,
    neighbours_same_code=0.125,
    embedding_hitrate_100=0.5,
    cooccurrence=(4 / 7, 1 / 14),
)


def test_scorecards_are_written_and_collected(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    reconstruction = reconstruction_error(np.eye(8, 3, dtype=np.float16), tokenizer.decode, CODES)
    for name, structure in (("a", STRUCTURE), ("b", None)):
        card = scored(
            CODES, (4, 4), 6, GROUPS, reconstruction=reconstruction, structure=structure, note="synthetic data"
        )
        card.write(tmp_path / f"{name}.json")
        assert Scorecard.read(tmp_path / f"{name}.json") == card
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["reconstruction"]["error"] == 3 / 8
    assert content["structure"]["embedding_hitrate@100"] == 0.5
    assert content["structure"]["cooccurrence_lift"] == pytest.approx([2, 0.5])

    collect_scorecards([tmp_path / f"{name}.json" for name in "ab"], tmp_path / "tokenizers.csv")
    with (tmp_path / "tokenizers.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert tuple(first) == SCORECARD_COLUMNS
    assert first["tokenizer"] == "rqkmeans_2x4"
    assert first["variant"] == ""
    assert first["unique_codes"] == "0.625"
    assert first["entropy_bits"] == f"{content['entropy_bits']:.6g}"
    assert first["reconstruction_error"] == "0.375"
    of_structure = {name: first[name] for name in SCORECARD_COLUMNS[SCORECARD_COLUMNS.index("gini") :]}
    assert of_structure == {
        "gini": "0.375/0.25",
        "category_level": "2",
        "category_ami": "0.25",
        "cosine_prefix_spearman": "0.5",
        "neighbours_same_level1": "0.75",
        "neighbours_same_code": "0.125",
        "embedding_hitrate@100": "0.5",
        "decoded_hitrate@100": "",
        "cooccurrence": "0.5714/0.07143",
        "cooccurrence_chance": "0.2857/0.1429",
        "cooccurrence_lift": "2/0.5",
    }
    assert second == {**first, **dict.fromkeys(of_structure, ""), "gini": first["gini"]}
    assert first["used_codes"] == "3/4"
    assert first["perplexity"] == "2.828/3.51"
    assert "fewer than 2 a code" in first["warnings"]
    assert first["note"] == "synthetic data"


@pytest.mark.parametrize("content", ["", "[]", '{"items": 8}'])
def test_a_file_that_is_no_scorecard_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "scorecard.json").write_text(content)
    with pytest.raises(InputError, match=r"scorecard\.json holds no scorecard"):
        Scorecard.read(tmp_path / "scorecard.json")


def score_files(folder: Path, items: int = 8) -> SimpleNamespace:
    """Score eight codes of a tokenizer in a folder; of the first two items nothing is known in training."""
    table = {"title": [f"t{n}" for n in range(items)], "categories": [["c"]] * items, "in_train": [True] * items}
    table["in_train"][:2] = [False, False]
    pq.write_table(pa.table(table), folder / "items.parquet")
    manifest = write_store(folder / "embeddings", np.eye(8, 3, dtype=np.float16), 2)
    write_first_of_identical(manifest, folder / "first_of_identical.npy")
    write_codes(folder / "codes.npy", CODES, 4)
    tiny_tokenizer().save_pretrained(folder / "model")
    files = SimpleNamespace(
        codes=[folder / "codes.npy"],
        model=folder / "model" / "model.safetensors",
        manifest=manifest,
        representatives=folder / "first_of_identical.npy",
        catalogue=folder / "items.parquet",
        train=[],
    )
    paths = SimpleNamespace(scorecard=folder / "scorecard.json", page=folder / "codebook.md")
    score_tokenizer("tiny", "rqkmeans_2x4", files, paths, "synthetic data")
    return paths


def test_a_tokenizer_is_scored_from_its_files(tmp_path: Path) -> None:
    paths = score_files(tmp_path)
    card = Scorecard.read(paths.scorecard)
    assert (card.dataset, card.tokenizer, card.note) == ("tiny", "rqkmeans_2x4", "synthetic data")
    assert (card.items, card.train_items, dict(card.fit)) == (8, 6, {"dim": 3})
    # five of the eight embeddings are zero: of their items those that share a code, too, are 6 and 7
    assert (card.distinct_embeddings, card.items_in_collisions_identical) == (4, 2)
    assert card.reconstruction == Reconstruction(3 / 8, 3 / 8 - 3 / 64, pytest.approx(8 / 7))
    assert card.structure.neighbours_same_code is not None
    assert card.structure.cooccurrence is None
    page = paths.page.read_text()
    assert "rqkmeans\\_2x4" in page
    assert "> synthetic data" in page


def test_scores_need_a_code_for_every_item(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="9 items, but 8 embeddings and 8 codes"):
        score_files(tmp_path, items=9)
    assert not (tmp_path / "scorecard.json").exists()
