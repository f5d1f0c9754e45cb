"""What the bench of generators counts, and how its T5 reads, writes and is ranked; it measures nothing here."""

import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench import device
from bench.generative import COLUMNS, as_markdown, holds, read_rows, rows_of, run_parts
from bench.generator import Inputs, Searches, kept, microseconds, train_epochs, train_for
from bench.generator_work import multiply_adds, operations, profile_of_training, work_of_training
from bench.report import as_csv
from bench.tiger_t5 import (
    ExistingCodes,
    examples_of,
    figures_of_t5,
    found_buckets,
    generate,
    new_t5,
    ranked_items,
    read_tokens,
    tokens_of,
    train_t5,
)
from semid.evaluation.queries import build_queries
from semid.generative.settings import GeneratorSettings
from semid.generative.training import log_shares
from semid.interactions import Interactions
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import Ragged, offsets_of
from semid.retrieval.seen import Seen

ITEMS, USERS, LENGTH, SIZES = 60, 40, 6, (3, 4)
SMALL = GeneratorSettings(dim=8, head_width=16, history=LENGTH, negatives=8, batch_positions=64, epochs=1, beam=4)
MATRIX_PRODUCTS = ("aten.mm", "aten.addmm")


def inputs_of(users: int = USERS) -> Inputs:
    """Users with so many training items each, one for validation and one for the test."""
    random = np.random.default_rng(0)
    items = np.stack([random.choice(ITEMS, LENGTH + 2, replace=False) for _ in range(users)]).astype(np.int32)
    codes = np.stack([random.integers(0, size, ITEMS) for size in SIZES], axis=1)
    codes[:4] = [[0, 0], [0, 0], [2, 3], [1, 2]]
    inputs = Inputs(Path("nowhere"), codes, random.standard_normal((ITEMS, 16)).astype(np.float32))
    inputs.__dict__["interactions"] = Interactions(
        user=np.repeat(np.arange(users, dtype=np.int32), LENGTH + 2),
        item=items.ravel(),
        timestamp=np.tile(np.arange(LENGTH + 2), users),
        split=np.tile(np.array([0] * LENGTH + [1, 2], np.int8), users),
    )
    return inputs


def test_a_generator_is_compared_by_its_loss_and_the_states_of_users() -> None:
    rows = device.measure(device.tasks_of_generator(inputs_of(), SMALL), USERS, "cpu", repeats=1)
    losses, states = (str(row["agreement"]) for row in rows)
    found, expected = losses.removeprefix("error ").split(" beside ")
    assert float(found) == float(expected) > 0
    assert states == "0.0e+00 of the length apart"
    assert all(row["rows"] == USERS and row["device_mb"] == "" for row in rows)


def sequences_of(*lists: list[int]) -> Ragged:
    return Ragged(np.concatenate(lists).astype(np.int64), offsets_of(np.array([len(items) for items in lists])))


@pytest.mark.parametrize(
    "options",
    [
        {"code_heads": "search"},
        {"code_heads": "random"},
        {"items": "codes+content"},
        {"items": "free", "code_weight": 0},
        {"item_weight": 0},
        {"teaching": 0.5},
    ],
)
def test_the_work_that_is_counted_is_what_the_products_of_a_forward_pass_do(options: dict) -> None:
    """On sequences of one length nothing is padding; with so many negatives every item is a candidate."""
    inputs = inputs_of()
    settings = dataclasses.replace(SMALL, negatives=5000, batch_positions=USERS * LENGTH, **options)
    model = inputs.generator(settings)
    sequences = torch.from_numpy(inputs.sequences.values).view(USERS, LENGTH)
    with FlopCounterMode(display=False) as counter:
        model.losses(sequences, log_shares(inputs.sequences, ITEMS), model.teacher())
    products = counter.get_flop_counts()["Global"]
    counted = sum(flops for operator, flops in products.items() if str(operator) in MATRIX_PRODUCTS)
    work = multiply_adds(model, inputs.sequences)
    # of each user 5 positions learn; position p attends to p + 1 positions, by two products
    assert work.pop("attention") == 2 * settings.dim * settings.layers * USERS * (1 + 2 + 3 + 4 + 5)
    # a product that is done again, as that of the query at every level, counts once
    assert 1 <= counted / (2 * sum(work.values())) < 1.04


def test_padding_is_no_work_and_long_histories_are_cut() -> None:
    model = inputs_of().generator(dataclasses.replace(SMALL, history=3, item_weight=0))
    short, long = sequences_of([1, 2, 3], [4, 5]), sequences_of([7, 8, 9, 1, 2, 3], [4, 5])
    work, of_long = multiply_adds(model, short), multiply_adds(model, long)
    # 2 + 1 positions against 3 + 2 + 1, since the long history is cut into pieces of three positions at most
    assert of_long["projections of the transformer"] / work["projections of the transformer"] == 6 / 3
    assert of_long["attention"] / work["attention"] == (6 + 3 + 1) / (3 + 1)
    of_layer = 3 * 8 * 8 + 8 * 8 + 2 * 8 * 4 * 8
    assert work["projections of the transformer"] == 3 * 2 * of_layer


def test_candidates_of_a_step_count_once() -> None:
    model = inputs_of().generator(dataclasses.replace(SMALL, negatives=1, code_heads="random"))
    work = multiply_adds(model, sequences_of([1, 2, 3], [4, 2, 3]))
    # targets 2, 3, 2, 3, and one draw that is a third item with probability 58 / 60
    assert work["item head"] == pytest.approx(8 * 4 * (2 + 58 / 60))


def test_a_backward_pass_does_twice_the_work_of_a_forward_pass_and_teaching_has_none() -> None:
    model = inputs_of().generator(dataclasses.replace(SMALL, teaching=0.5, code_heads="random"))
    sequences = sequences_of([1, 2, 3], [4, 2, 3])
    work, both = multiply_adds(model, sequences), operations(model, sequences)
    factors = {kind: both[kind] / count for kind, count in work.items()}
    assert factors.pop("scores of all items, to teach") == 2
    assert set(factors.values()) == {6}


def test_figures_of_training_are_shares_of_the_faster_product(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {(64, 8, 32): 2e9, (1024, 1024, 1024): 1e9}
    monkeypatch.setattr("bench.generator_work.rate_of_products", rates.__getitem__)
    monkeypatch.setattr("bench.generator_work.seconds_of_epochs", lambda training: [9.0, 2.0, 1.0, 4.0][: 1 + 3])
    inputs = inputs_of()
    figures = work_of_training(inputs, SMALL, repeats=3)
    useful = sum(operations(inputs.generator(SMALL), inputs.sequences).values())
    assert figures["epoch, s"] == 2.0
    assert figures["share"] == pytest.approx(useful / 2.0 / 2e9)


def test_a_generator_is_trained_for_the_epochs_that_fit_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.generator.seconds_of_epochs", lambda training: [2.0] * len(training.history))
    inputs = inputs_of()
    model, said = train_for(inputs, SMALL, 7.0)
    assert said == {"seconds": 6.0, "epochs": 3.0, "examples": 3 * USERS * (LENGTH - 1)}
    assert train_for(inputs, SMALL, 0.5)[1]["epochs"] == 1
    assert kept(tmp_path / "model.safetensors", inputs.generator(SMALL), lambda: (model, said)) == said
    again = inputs.generator(SMALL)
    assert kept(tmp_path / "model.safetensors", again, lambda: pytest.fail("it was trained already")) == said
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_a_profile_names_the_operators_of_training() -> None:
    table = profile_of_training(inputs_of(), SMALL)
    assert "Self CPU %" in table
    assert table.count("aten::") >= 5


def test_some_users_are_the_first() -> None:
    training = train_epochs(inputs_of(), SMALL, 1, users=3)
    assert training.history[0]["targets"] == 3 * (LENGTH - 1)


def test_every_search_is_timed_and_an_exact_one_is_certain() -> None:
    inputs = inputs_of()
    model = train_epochs(inputs, SMALL, 1).model
    searches = Searches(model, inputs.queries(), inputs.index, users_at_once=7)
    figures = microseconds(searches, ("encode", "dense", "beam", "exact"), repeats=2)
    assert set(figures) == {"encode", "dense", "beam", "exact", "beam, share certain", "exact, share certain"}
    assert figures["exact, share certain"] == 1
    assert 0 <= figures["beam, share certain"] <= 1


def test_every_item_but_the_first_is_an_example_with_the_twenty_before_it() -> None:
    history, target = examples_of(sequences_of([5, 6, 7], list(range(30, 53))))
    assert target.tolist() == [6, 7, *range(31, 53)]
    lists = [history.values[start:stop].tolist() for start, stop in pairwise(history.offsets)]
    assert lists[:2] == [[5], [5, 6]]
    assert lists[-1] == list(range(32, 52))


def test_levels_have_tokens_of_their_own_and_histories_are_padded_behind() -> None:
    tokens = tokens_of(np.array([[0, 0], [2, 3], [1, 1]]), SIZES)
    assert tokens.tolist() == [[1, 4], [3, 7], [2, 5]]
    read, is_token = read_tokens(sequences_of([2], [0, 1]), np.array([0, 1]), tokens)
    assert read.tolist() == [[2, 5, 0, 0], [1, 4, 3, 7]]
    assert is_token.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]


def test_beams_of_the_t5_are_the_best_existing_codes_with_their_probabilities() -> None:
    model = new_t5(SIZES).eval()
    codes = np.array([[0, 1], [2, 3], [0, 3], [1, 0], [2, 0]])
    tokens = tokens_of(codes, SIZES)
    read = torch.tensor([[1, 4, 3, 7], [2, 5, 0, 0]])
    with torch.inference_mode():
        written, scores = generate(model, read, (read != 0).long(), ExistingCodes(tokens), levels=2, beams=6)
        for user in range(2):
            labels = torch.from_numpy(tokens)
            of_user = read[user].expand(len(codes), -1)
            logits = model(input_ids=of_user, attention_mask=(of_user != 0).long(), labels=labels).logits
            expected = logits.log_softmax(dim=-1).gather(2, labels[..., None])[..., 0].sum(dim=1)
            order = expected.argsort(descending=True)
            # six beams hold five codes, the rest has no score
            found = scores[user] > -1e8
            assert written[user][found].tolist() == labels[order].tolist()
            torch.testing.assert_close(scores[user][found], expected[order], rtol=1e-4, atol=1e-4)


def test_items_of_a_bucket_are_tied_and_seen_items_leave_it() -> None:
    # items 0 and 1 share a bucket; the target 1 is above item 3, and tied with item 0 unless that is seen
    index = InvertedIndex.build(np.array([[0, 0], [0, 0], [2, 3], [1, 2]], np.uint16))
    interactions = Interactions(
        user=np.zeros(3, np.int32),
        item=np.array([0, 2, 1], np.int32),
        timestamp=np.arange(3),
        split=np.array([0, 1, 2], np.int8),
    )
    queries = build_queries(interactions, "test")
    written = torch.tensor([[[2, 6], [1, 4], [1, 7]]])
    found = found_buckets(written, torch.tensor([[-1.0, -2.0, -1e9]]), index, SIZES)
    history = queries.history(slice(0, 1))
    nothing = Ragged(history.values[:0], np.zeros_like(history.offsets))
    kept_items = ranked_items(found, index, queries, Seen.of(nothing, 4))
    assert (kept_items.greater.tolist(), kept_items.equal.tolist(), kept_items.found.tolist()) == ([1], [2], [True])
    removed = ranked_items(found, index, queries, Seen.of(history, 4))
    assert (removed.greater.tolist(), removed.equal.tolist(), removed.size.tolist()) == ([1], [1], [2])


def test_the_t5_is_trained_for_its_seconds_and_judged_by_items() -> None:
    inputs = inputs_of(users=6)
    model, said = train_t5(inputs, seconds=0.01)
    assert said["steps"] >= 1
    assert said["epochs"] == said["examples"] / (6 * (LENGTH - 1))
    figures = figures_of_t5(model, inputs, inputs.queries())
    assert figures["recall@10, kept"] >= 0
    assert figures["recall@10, removed"] >= figures["ndcg@10, removed"]


def test_figures_of_a_part_replace_those_that_it_had(tmp_path: Path) -> None:
    run_parts({"train": lambda: rows_of("train", "generator", 0, {"share": 0.5})}, [], tmp_path, 2)
    beam = {"beam": 250.0, "beam, share certain": 0.5}
    run_parts({"search": lambda: rows_of("search", "generator", 7, beam)}, [], tmp_path, 2)
    run_parts({"train": lambda: rows_of("train", "generator", 0, {"share": 0.25})}, ["one machine"], tmp_path, 1)
    rows = read_rows(tmp_path / "generative.csv")
    assert [(row["figure"], float(row["value"]), holds(row)) for row in rows] == [
        ("share", 0.25, False),
        ("beam", 250.0, True),
        ("beam, share certain", 0.5, True),
    ]
    page = (tmp_path / "generative.md").read_text(encoding="utf-8")
    assert "- one machine\n" in page
    assert "| train |  | share | 0.25 | at least 0.3333 | no |" in page
    assert "| search | 7 | beam | 250 | at most 300 | yes |" in page


def test_models_trained_alike_stand_in_one_table() -> None:
    of_model = {f"{metric}@10, {seen}": 0.05 for seen in ("removed", "kept") for metric in ("recall", "ndcg")}
    said = {"seconds": 300.0, "epochs": 0.25, "query_us": 150000.0}
    rows = rows_of("t5", "T5 of transformers", 2000, of_model | said)
    page = as_markdown([], rows)
    assert "| T5 of transformers | 2,000 | 300 | 0.25 | 0.0500 | 0.0500 | 0.0500 | 0.0500 | 150,000 |" in page
    assert as_csv(rows, COLUMNS).startswith("part,method,users,figure,value")
