"""Sequences, batches, the loss of the item head, and training that goes on where it stopped."""

import copy

import numpy as np
import pytest
import torch

from semid.errors import InputError
from semid.generative import training as training_module
from semid.generative.heads import CodeSpaceStart
from semid.generative.items import CatalogueOfItems
from semid.generative.model import Generator
from semid.generative.sequences import (
    last_items,
    length_batches,
    padded_rows,
    training_sequences,
    training_windows,
)
from semid.generative.settings import GeneratorSettings
from semid.generative.training import Training, begin_training, log_shares, train
from semid.interactions import Interactions
from semid.retrieval.ragged import Ragged, offsets_of

ITEMS = 30
SMALL = {"dim": 8, "head_width": 8, "history": 4, "negatives": 8, "batch_positions": 16, "epochs": 3, "warmup_steps": 2}


def sequences_of(*lists: list[int]) -> Ragged:
    return Ragged(np.concatenate(lists).astype(np.int64), offsets_of(np.array([len(items) for items in lists])))


def random_sequences(seed: int, users: int = 25) -> Ragged:
    random = np.random.default_rng(seed)
    return sequences_of(*(random.integers(0, ITEMS, random.integers(2, 9)) for _ in range(users)))


def model_of(parallel: bool = False, start: CodeSpaceStart | None = None, **options: object) -> Generator:
    settings = GeneratorSettings(**{**SMALL, "code_heads": "random", **options})
    random = np.random.default_rng(0)
    codes = torch.from_numpy(random.integers(0, 3, (ITEMS, 2)))
    torch.manual_seed(settings.seed)
    return Generator(CatalogueOfItems(ITEMS, codes, (3, 3)), settings, start, parallel)


def test_sequences_are_the_training_items_of_users_with_two_or_more() -> None:
    interactions = Interactions(
        user=np.array([1, 0, 1, 2, 1, 0], np.int32),
        item=np.array([5, 6, 7, 8, -1, 9], np.int32),
        timestamp=np.arange(6),
        split=np.array([0, 0, 0, 0, 0, 1], np.int8),
    )
    sequences = training_sequences(interactions)
    assert sequences.values.tolist() == [5, 7]
    assert sequences.offsets.tolist() == [0, 2]
    with pytest.raises(InputError, match="no user has two items in the training split"):
        training_sequences(Interactions(*(column[1:2] for column in vars(interactions).values())))


@pytest.mark.parametrize("positions", [1, 7, 40, 10_000])
def test_batches_hold_every_sequence_once_and_about_as_many_positions_as_wanted(positions: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 20, 300)
    batches = list(length_batches(lengths, positions, np.random.default_rng(1)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(300))
    for batch in batches:
        # without its longest sequence a batch would be smaller than wanted
        shorter = np.sort(lengths[batch])[:-1]
        assert len(shorter) * shorter.max(initial=0) < positions
    again = list(length_batches(lengths, positions, np.random.default_rng(1)))
    assert all((one == other).all() for one, other in zip(batches, again, strict=True))


def test_rows_are_the_last_items_with_padding_behind() -> None:
    recent = last_items(sequences_of([1, 2, 3, 4], [5], [6, 7]), 3)
    assert padded_rows(recent, np.array([2, 0])).tolist() == [[6, 7, -1], [2, 3, 4]]


def test_windows_make_every_item_but_the_first_a_target_once() -> None:
    windows = training_windows(sequences_of([*range(8)], [10, 11], [20, 21, 22, 23]), 3)
    parts = [part.tolist() for part in np.split(windows.values, windows.offsets[1:-1])]
    assert parts == [[4, 5, 6, 7], [1, 2, 3, 4], [0, 1], [10, 11], [20, 21, 22, 23]]


def test_a_state_does_not_depend_on_what_comes_later_or_on_padding() -> None:
    model = model_of().eval()
    with torch.inference_mode():
        whole = model.states(torch.tensor([[1, 2, 3, 4]]))
        part = model.states(torch.tensor([[1, 2, -1, -1], [5, 6, 7, 8]]))
        last = model.user_states(torch.tensor([[1, 2, -1, -1], [5, 6, 7, 8]]))
    torch.testing.assert_close(whole[0, :2], part[0, :2])
    torch.testing.assert_close(last, torch.stack([part[0, 1], part[1, 3]]))


def test_the_item_loss_with_all_items_drawn_is_the_full_softmax() -> None:
    """So many negatives that every item is a candidate, of an expected count of 1 at most: no correction is left."""
    model = model_of(negatives=2000, items="free", code_weight=0).eval()
    sequences = torch.tensor([[1, 2, 3], [4, 5, -1]])
    shares = log_shares(sequences_of([1, 2, 3], [4, 5]), ITEMS)
    loss, _, count = model.losses(sequences, shares, None)
    users = model.states(sequences[:, :-1])[sequences[:, 1:] >= 0]
    logits = model.items.scores(users, model.items(torch.arange(ITEMS)))
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([2, 3, 5]))
    assert count == 3
    torch.testing.assert_close(loss, expected)


def test_without_the_correction_the_item_loss_compares_scores_as_they_are() -> None:
    sequences, order = torch.tensor([[1, 2, 3], [4, 5, -1]]), sequences_of([1, 2, 3], [4, 5])
    shares = log_shares(order, ITEMS)
    losses = []
    for corrected in (True, False):
        model = model_of(negatives=4, items="free", code_weight=0, sampling_correction=corrected).eval()
        torch.manual_seed(3)
        losses.append(model.losses(sequences, shares, None)[0])
    torch.manual_seed(3)
    candidates = torch.unique(torch.cat([torch.tensor([2, 3, 5]), torch.randint(ITEMS, (4,))]))
    users = model.states(sequences[:, :-1])[sequences[:, 1:] >= 0]
    logits = model.items.scores(users, model.items(candidates))
    places = torch.searchsorted(candidates, torch.tensor([2, 3, 5]))
    torch.testing.assert_close(losses[1], torch.nn.functional.cross_entropy(logits, places))
    assert not torch.isclose(*losses)


@pytest.mark.parametrize("sub_spaces", [False, True])
def test_decoding_says_whether_a_level_reads_those_before(sub_spaces: bool) -> None:
    read = {}
    for decoding in ("auto", "autoregressive", "parallel"):
        model = model_of(decoding=decoding, parallel=sub_spaces).eval()
        first, second = (model.heads.logits(torch.ones(1, 8), torch.tensor([[code]])) for code in (0, 1))
        read[decoding] = not torch.equal(first, second)
    assert read == {"auto": not sub_spaces, "autoregressive": True, "parallel": False}


def test_tied_heads_search_by_the_vectors_of_codes_that_histories_are_read_by() -> None:
    start = CodeSpaceStart(torch.randn(6, 8, generator=torch.Generator().manual_seed(5)))
    tied, own = (model_of(code_heads="search", tied_output=tied, start=start).eval() for tied in (True, False))
    users, prefix = torch.randn(4, 8, generator=torch.Generator().manual_seed(6)), torch.tensor([[0], [1], [2], [0]])
    torch.testing.assert_close(tied.heads.logits(users, prefix), own.heads.logits(users, prefix))
    assert "heads.codewords" in own.state_dict()
    assert "heads.codewords" not in tied.state_dict()
    before = tied.heads.logits(users, prefix)
    with torch.no_grad():
        tied.items.code_vectors.mul_(2)
    assert not torch.equal(before, tied.heads.logits(users, prefix))
    copied = copy.deepcopy(tied)
    assert copied.heads.tied[0] is copied.items.code_vectors
    copied.load_state_dict(model_of(code_heads="search", tied_output=True, start=start, seed=1).state_dict())
    assert not torch.equal(copied.heads.logits(users, prefix), tied.heads.logits(users, prefix))
    for other in ({"code_heads": "random"}, {"items": "free", "code_weight": 0}, {"code_weight": 0}):
        with pytest.raises(InputError, match="tied_output is for code heads that begin as a search"):
            GeneratorSettings(**{**SMALL, "tied_output": True, **other})


def plain_code_losses(model: Generator, sequences: torch.Tensor, taught: bool) -> torch.Tensor:
    """The loss of each level, position by position, among the codes that exist behind those of the target."""
    targets = sequences[:, 1:][sequences[:, 1:] >= 0]
    users = model.states(sequences[:, :-1])[sequences[:, 1:] >= 0]
    shares = model.items.scores(users, model.items(torch.arange(ITEMS))).softmax(dim=1)
    losses = torch.zeros(len(model.heads.sizes))
    for user, target, share in zip(users, targets, shares, strict=True):
        code = model.codes[target]
        for level, size in enumerate(model.heads.sizes):
            alike = (model.codes[:, :level] == code[:level]).all(dim=1)
            exists = torch.zeros(size, dtype=torch.bool).index_fill(0, model.codes[alike, level], True)
            wanted = torch.nn.functional.one_hot(code[level], size).float()
            if taught:
                wanted = torch.zeros(size).index_add(0, model.codes[alike, level], share[alike] / share[alike].sum())
            wanted = 0.9 * wanted + 0.1 * exists / exists.sum()
            logits = model.heads.logits(user[None], code[None, :level])[0]
            losses[level] -= (wanted[exists] * logits[exists].log_softmax(dim=0)).sum() / len(targets)
    return losses


@pytest.mark.parametrize("teaching", [0.0, 1.0])
def test_the_code_losses_are_those_of_a_plain_sum_over_existing_codes(teaching: float) -> None:
    model = model_of(teaching=teaching, items="free+codes").eval()
    # behind a first code of 2 one code alone exists, which nothing is to be learnt of
    model.codes[model.codes[:, 0] == 2, 1] = 1
    first = (model.codes[:, 0] == 2).nonzero()[0, 0]
    sequences = torch.tensor([[1, 2, 3, int(first)], [4, 5, -1, -1], [6, 7, 8, -1]])
    with torch.no_grad():
        shares = log_shares(sequences_of([1, 2, 3], [4, 5]), ITEMS)
        _, losses, _ = model.losses(sequences, shares, model.teacher())
        torch.testing.assert_close(losses, plain_code_losses(model, sequences, taught=teaching == 1))


def test_the_item_head_teaches_its_share_of_the_positions_anew_at_every_step() -> None:
    model = model_of(teaching=0.3)
    torch.manual_seed(0)
    rows = [model.taught_rows(10, torch.device("cpu")).tolist() for _ in range(20)]
    assert {len(set(of_step)) for of_step in rows} == {3}
    assert {row for of_step in rows for row in of_step} == set(range(10))
    assert model_of(teaching=0.3, item_weight=0).teacher() is None
    assert model_of(teaching=0.0).teacher() is None


def test_the_item_head_teaches_with_whole_contents() -> None:
    random = np.random.default_rng(1)
    content = torch.from_numpy(random.normal(size=(ITEMS, 8))).float()
    settings = GeneratorSettings(**{**SMALL, "items": "codes+content", "code_heads": "random"})
    codes = torch.from_numpy(random.integers(0, 3, (ITEMS, 2)))
    model = Generator(CatalogueOfItems(ITEMS, codes, (3, 3), content, torch.eye(8)), settings).train()
    teacher = model.teacher()
    assert model.items.training
    assert torch.equal(teacher, model.eval().items(model.order.items))


def test_nothing_is_learnt_of_codes_where_each_is_certain() -> None:
    model = model_of(teaching=0.5)
    model.codes[:] = 0
    _, losses, _ = model.losses(torch.tensor([[1, 2, 3]]), log_shares(sequences_of([1, 2, 3]), ITEMS), model.teacher())
    assert losses.tolist() == [0, 0]


def scripted(figures: list[float]):
    left = iter(figures)
    return lambda model: {"recall@10": 0.5, "ndcg@10": next(left)}


@pytest.mark.parametrize("options", [{}, {"items": "codes"}, {"items": "free", "code_weight": 0}])
def test_training_stopped_after_any_epoch_ends_with_the_same_bits(options: dict) -> None:
    sequences, figures = random_sequences(0), [0.1, 0.3, 0.2]
    whole = begin_training(model_of(measure_every=1, **options))
    assert train(whole, sequences, scripted(figures)) == 2
    saved: list[Training] = []
    stopped = begin_training(model_of(measure_every=1, **options))
    with pytest.raises(KeyboardInterrupt):
        train(stopped, sequences, scripted(figures), lambda training: saved.append(copy.deepcopy(training)) or stop())
    again = saved[0]
    assert train(again, sequences, scripted(figures[1:])) == 2
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


def stop() -> None:
    raise KeyboardInterrupt


def test_training_ends_when_no_measurement_is_better() -> None:
    training = begin_training(model_of(measure_every=1, epochs=9, patience=2))
    assert train(training, random_sequences(1), scripted([0.3, 0.4, 0.2, 0.1, 0.9])) == 2
    assert len(training.history) == 4


def test_training_leaves_the_random_numbers_of_the_caller_alone() -> None:
    before = torch.get_rng_state()
    training = begin_training(model_of(epochs=1))
    before = torch.get_rng_state()
    train(training, random_sequences(2), scripted([0.3]))
    assert torch.equal(torch.get_rng_state(), before)


def diverging_in(epochs: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loss of these epochs, counted from 1 with those that are undone, be no number."""
    train_whole = training_module.train_epoch

    def train_epoch(training: Training, *arguments: object) -> dict:
        record = train_whole(training, *arguments)
        return record | {"item_loss": float("nan")} if record["epoch"] in epochs else record

    monkeypatch.setattr(training_module, "train_epoch", train_epoch)


def test_a_loss_that_is_no_number_goes_back_to_what_is_kept_at_half_the_rate(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    diverging_in({4}, monkeypatch)
    training = begin_training(model_of(measure_every=1, epochs=6))
    resumed: list[dict] = []

    def watch(training: Training) -> None:
        if training.rollbacks and not resumed:
            resumed.append({name: value.clone() for name, value in training.model.state_dict().items()})
            assert all(torch.equal(value, training.kept[name]) for name, value in resumed[0].items())
            assert not training.optimizer.state_dict()["state"]

    assert train(training, random_sequences(3), scripted([0.1, 0.3, 0.2, 0.4, 0.1]), watch) == 5
    assert [record["rolled_back"] for record in training.history] == [False, False, True, True, False, False]
    assert [record["learning_rate"] for record in training.history] == [1e-3] * 4 + [5e-4] * 2
    assert "the loss of epoch 4 is no number: back to epoch 2, learning rate 0.0005" in caplog.text
    assert resumed


def test_before_an_epoch_is_measured_the_start_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    diverging_in({1}, monkeypatch)
    model = model_of(measure_every=2, epochs=4)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    training = begin_training(model)

    def watch(training: Training) -> None:
        if len(training.history) == 1:
            assert all(torch.equal(value, start[name]) for name, value in training.model.state_dict().items())

    assert train(training, random_sequences(3), scripted([0.1, 0.2]), watch) == 4


@pytest.mark.parametrize(
    ("epochs", "words"),
    [
        ({2, 3, 4}, "training diverged in epoch 4, and again at the learning rate 0.00025"),
        ({1, 2}, "training diverged in every epoch that was to be measured: lower learning_rate"),
    ],
)
def test_a_training_that_diverges_again_ends_with_an_error(
    epochs: set[int], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverging_in(epochs, monkeypatch)
    training = begin_training(model_of(measure_every=1, epochs=2 if 1 in epochs else 9))
    with pytest.raises(InputError, match=words):
        train(training, random_sequences(3), scripted([0.1] * 9))


def test_parameters_that_are_no_numbers_are_undone_although_the_loss_was_one(monkeypatch: pytest.MonkeyPatch) -> None:
    train_whole = training_module.train_epoch

    def train_epoch(training: Training, *arguments: object) -> dict:
        record = train_whole(training, *arguments)
        if record["epoch"] == 2:
            next(training.model.parameters()).data[0] = float("inf")
        return record

    monkeypatch.setattr(training_module, "train_epoch", train_epoch)
    training = begin_training(model_of(measure_every=1))
    assert train(training, random_sequences(3), scripted([0.1, 0.2])) == 3
    assert [record["rolled_back"] for record in training.history] == [False, True, False]


def test_items_without_interactions_are_their_codes_alone() -> None:
    sequences = sequences_of([0, 1, 2], [3, 2, 1])
    training = begin_training(model_of(epochs=2, measure_every=1))
    train(training, sequences, scripted([0.3, 0.4]))
    items = training.model.items
    # no user comes from anywhere to items 0 and 3, and nobody had those from 4 on
    assert (items.free_vectors[[0, 3, *range(4, ITEMS)]] == 0).all()
    assert (items.free_vectors[[1, 2]] != 0).all()
    codes = items.code_vectors[items.entries[4]].sum(dim=0)
    torch.testing.assert_close(items(torch.tensor([4]))[0], codes * items.scale)
    without_codes = begin_training(model_of(epochs=2, measure_every=1, items="free", code_weight=0, teaching=0))
    train(without_codes, sequences, scripted([0.3, 0.4]))
    assert (without_codes.model.items.free_vectors[4:] != 0).all()


def trained_on_two_threads(sequences: Ragged, num_items: int) -> dict[str, torch.Tensor]:
    settings = GeneratorSettings(
        dim=64, code_heads="random", history=20, negatives=500, batch_positions=1000, epochs=1, measure_every=1
    )
    codes = torch.from_numpy(np.random.default_rng(0).integers(0, 32, (num_items, 3)))
    torch.manual_seed(0)
    training = begin_training(Generator(CatalogueOfItems(num_items, codes, (32, 32, 32)), settings))
    train(training, sequences, scripted([0.1]))
    return training.model.state_dict()


def test_threads_of_a_training_add_in_a_fixed_order() -> None:
    """Few items of many positions each: two threads that added to one row at once would now and then lose a bit."""
    random, num_items = np.random.default_rng(0), 600
    sequences = sequences_of(*(np.minimum(random.geometric(0.02, 20), num_items) - 1 for _ in range(400)))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, *others = (trained_on_two_threads(sequences, num_items) for _ in range(3))
    finally:
        torch.set_num_threads(threads)
    for other in others:
        assert all(torch.equal(value, other[name]) for name, value in first.items())
