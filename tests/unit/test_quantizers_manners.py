"""The tokenizers behave as people expect of an estimator: in scikit-learn, in `help`, in a terminal and in silence."""

import copy
import inspect
import io
import pickle
import pydoc
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from joblib import Parallel, delayed
from mixtures import mixture
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted

from semid.checks import options_of, prose_of
from semid.device import resolve_device
from semid.errors import InputError
from semid.methods import METHODS
from semid.progress import Progress
from semid.quantizers import OPQ, RQVAE, VQVAE, Compute, ExternalCodes, RQKMeans, Tokenizer

ROOT = Path(__file__).parents[2]
N, DIM = 300, 8
VECTORS = mixture(N, DIM)
TARGETS = np.arange(N) % 2
# options that make training short, and some that are sequences: a method gets those that it has
QUICK = {
    "num_levels": 2,
    "codebook_size": 8,
    "codebook_sizes": [8, 5],
    "kmeans_iters": 3,
    "rotation_iters": 3,
    "codebook_dim": 4,
    "hidden": [12, 6],
    "epochs": 3,
    "batch_size": 64,
    "seed": 3,
    "metadata": {"dataset": "x"},
}
every_method = pytest.mark.parametrize("method", METHODS)


def options(method: str) -> list[str]:
    return [option.name for option in options_of(METHODS[method].load())]


def make(method: str, **changes: Any) -> Tokenizer:
    known = options(method)
    return METHODS[method].load()(**{name: value for name, value in QUICK.items() if name in known} | changes)


def same_codes(first: Tokenizer, second: Tokenizer) -> bool:
    return np.array_equal(first.encode(VECTORS), second.encode(VECTORS))


# parameters


@every_method
def test_parameters_are_the_arguments_of_the_constructor(method: str) -> None:
    tokenizer = make(method)
    assert list(tokenizer.get_params()) == list(inspect.signature(type(tokenizer)).parameters)
    assert tokenizer.get_params(deep=False) == tokenizer.get_params(deep=True)
    assert type(tokenizer)(**tokenizer.get_params()).get_params() == tokenizer.get_params()


@every_method
def test_a_clone_is_an_unfitted_twin_and_so_is_its_clone(method: str) -> None:
    fitted = make(method).fit(VECTORS)
    twin = clone(clone(fitted))
    assert type(twin) is type(fitted)
    assert twin.get_params() == fitted.get_params()
    assert twin.metadata is not fitted.metadata
    with pytest.raises(InputError, match="is not fitted"):
        twin.encode(VECTORS)
    assert same_codes(twin.fit(VECTORS), fitted)


def test_given_codes_and_what_was_read_are_cloned_too(tmp_path: Path) -> None:
    codes = make("rqkmeans").fit_transform(VECTORS)
    given = ExternalCodes(num_levels=2, codebook_size=8).fit(VECTORS, codes=codes)
    assert clone(given).get_params() == given.get_params()
    make("rqvae").fit(VECTORS).save_pretrained(tmp_path)
    read = Tokenizer.from_pretrained(tmp_path)
    assert clone(read).get_params() == read.get_params() == make("rqvae").get_params()


@every_method
def test_parameters_are_set_by_name_as_the_constructor_takes_them(method: str) -> None:
    known = options(method)
    values = {"codebook_size": np.int64(16), "codebook_sizes": [16, 4], "hidden": [9], "seed": 5}
    values = {name: value for name, value in values.items() if name in known}
    tokenizer = make(method)
    assert tokenizer.set_params(**values) is tokenizer
    assert tokenizer.get_params() == make(method, **values).get_params()
    assert type(tokenizer.codebook_size) is int
    assert tokenizer.set_params().get_params() == make(method, **values).get_params()


@every_method
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": 4, "max_train": -1}, "max_train must be a whole number of at least 0, got -1"),
        ({"seed": 4, "codebook_size": "8"}, "codebook_size must be a whole number of at least 1, got '8'"),
        ({"seed": 4, "metadata": 3}, "metadata must be a map, got 3"),
        ({"seed": 4, "n_clusters": 8}, "has no option 'n_clusters': its options are .*codebook_size, .*seed"),
        ({"seed": 4, "step__seed": 8}, "has no option 'step__seed'"),
    ],
    ids=str,
)
def test_a_refused_value_changes_no_parameter_and_nothing_learnt(method: str, values: dict, message: str) -> None:
    tokenizer = make(method).fit(VECTORS)
    with pytest.raises(InputError, match=message):
        tokenizer.set_params(**values)
    assert tokenizer.get_params() == make(method).get_params()
    assert same_codes(tokenizer, make(method).fit(VECTORS))


def test_parameters_that_contradict_each_other_are_refused_together() -> None:
    tokenizer = make("rqkmeans")
    with pytest.raises(InputError, match="codebook_sizes must be one for each of 3 levels"):
        tokenizer.set_params(num_levels=3)
    assert tokenizer.num_levels == 2
    assert tokenizer.set_params(num_levels=3, codebook_sizes=None).sizes == (8, 8, 8)


@every_method
def test_only_parameters_that_training_reads_undo_the_fit(method: str) -> None:
    tokenizer = make(method).fit(VECTORS)
    codes = tokenizer.encode(VECTORS)
    at_encode = {option.name: 4 for option in options_of(type(tokenizer)) if option.is_at_encode}
    tokenizer.set_params(**{**tokenizer.get_params(), **at_encode, "metadata": {"dataset": "y"}})
    assert tokenizer.metadata == {"dataset": "y"}
    assert at_encode or np.array_equal(tokenizer.encode(VECTORS), codes)
    check_is_fitted(tokenizer)
    tokenizer.set_params(seed=4)
    with pytest.raises(InputError, match="is not fitted"):
        tokenizer.encode(VECTORS)
    with pytest.raises(NotFittedError):
        check_is_fitted(tokenizer)


def test_beam_can_be_set_after_training() -> None:
    tokenizer = make("rqkmeans").fit(VECTORS)
    assert same_codes(tokenizer.set_params(beam=4), make("rqkmeans", beam=4).fit(VECTORS))


def test_what_is_shown_is_what_was_set() -> None:
    assert repr(RQKMeans()) == "RQKMeans()"
    assert repr(RQVAE(codebook_size=64, hidden=[128], keep="last")) == (
        "RQVAE(codebook_size=64, hidden=(128,), keep='last')"
    )
    assert repr(VQVAE(codebook_size=64, metadata={"dataset": "x"})) == "VQVAE(codebook_size=64)"
    assert repr(OPQ(seed=1)) == "OPQ(seed=1)"


# scikit-learn

# what scikit-learn's checks of an estimator ask for, and tokenizers do otherwise
OTHERWISE = {
    "check_do_not_raise_errors_in_init_or_set_params": "options are checked when they are given, not in fit",
    "check_parameters_default_constructible": "the default of metadata is a new map",
    "check_dtype_object": "arrays of Python objects are refused",
    "check_transformer_data_not_an_array": "what has no shape is refused",
    "check_complex_data": "refused in other words",
    "check_estimators_empty_data_messages": "refused in other words",
    "check_fit2d_1sample": "refused in other words",
    "check_fit2d_predict1d": "refused in other words",
    "check_n_features_in_after_fitting": "refused in other words",
}


@pytest.mark.filterwarnings("ignore:InputError occurred during set_params", "ignore:.*does not inherit from")
@every_method
def test_the_checks_of_scikit_learn_pass(method: str) -> None:
    kind = METHODS[method].load()
    sizes = {"num_levels": 1} if METHODS[method].kind != "flat" else {}
    quick = {name: value for name, value in {"epochs": 1, "codebook_dim": 0}.items() if name in options(method)}
    outcomes = check_estimator(
        kind(**sizes, **quick, codebook_size=2), expected_failed_checks=OTHERWISE, on_skip=None, on_fail="raise"
    )
    assert sum(outcome["status"] == "passed" for outcome in outcomes) > 25


@every_method
def test_a_grid_of_parameters_is_fitted_point_by_point(method: str) -> None:
    grid = {"seed": [0, 1]} if METHODS[method].kind == "flat" else {"codebook_sizes": [[8, 4], (4, 8)], "seed": [0]}
    base = make(method)
    for point in ParameterGrid(grid):
        tokenizer = clone(base).set_params(**clone(point, safe=False))
        assert same_codes(tokenizer.fit(VECTORS), make(method, **point).fit(VECTORS))


@every_method
def test_a_pipeline_fits_and_transforms(method: str, tmp_path: Path) -> None:
    pipeline = Pipeline([("scale", StandardScaler()), ("ids", make(method))], memory=str(tmp_path))
    with pytest.raises(NotFittedError):
        pipeline.transform(VECTORS)
    scaled = StandardScaler().fit_transform(VECTORS)
    expected = make(method).fit(scaled).encode(scaled)
    np.testing.assert_array_equal(pipeline.fit(VECTORS, TARGETS).transform(VECTORS), expected)
    np.testing.assert_array_equal(pipeline.fit_transform(VECTORS, TARGETS), expected)
    np.testing.assert_array_equal(pipeline.fit(VECTORS, ids__device="cpu").transform(VECTORS), expected)
    np.testing.assert_array_equal(clone(pipeline).fit_transform(VECTORS), expected)
    decoded = pipeline.inverse_transform(expected)
    assert np.square(decoded - VECTORS).sum() < np.square(VECTORS - VECTORS.mean(axis=0)).sum()
    pipeline.set_params(ids__seed=7)
    assert pipeline.get_params()["ids__seed"] == pipeline["ids"].seed == 7
    assert pipeline["ids"].get_params() == make(method, seed=7).get_params()
    with pytest.raises(NotFittedError):
        pipeline.transform(VECTORS)


@every_method
def test_codes_are_features_of_a_later_step(method: str) -> None:
    pipeline = make_pipeline(make(method), StandardScaler())
    codes = make(method).fit_transform(VECTORS)
    np.testing.assert_array_equal(pipeline.fit_transform(VECTORS), StandardScaler().fit_transform(codes))


@every_method
def test_a_pipeline_is_shown_with_its_tokenizer(method: str) -> None:
    tokenizer = make(method)
    pipeline = make_pipeline(StandardScaler(), tokenizer)
    assert repr(tokenizer) in " ".join(repr(pipeline).split())
    assert type(tokenizer).__name__ in pipeline._repr_html_()
    assert "fitted" in pipeline.fit(VECTORS)._repr_html_()


@every_method
def test_the_tags_are_those_of_a_transformer_without_targets(method: str) -> None:
    tags = get_tags(make(method))
    assert tags.estimator_type == "transformer"
    assert tags.transformer_tags is not None
    assert tags.requires_fit
    assert not tags.target_tags.required
    assert not tags.input_tags.sparse


@pytest.mark.parametrize("targets", [None, TARGETS], ids=["without targets", "with targets"])
def test_a_search_finds_the_larger_codebook(targets: np.ndarray | None) -> None:
    def score(tokenizer: Tokenizer, vectors: np.ndarray, y: Any = None) -> float:
        return -float(np.square(tokenizer.decode(tokenizer.encode(vectors)) - vectors).sum())

    search = GridSearchCV(RQKMeans(num_levels=2), {"codebook_size": [2, 16]}, scoring=score, cv=3)
    search.fit(VECTORS, targets)
    assert search.best_params_ == {"codebook_size": 16}
    assert search.transform(VECTORS).shape == (N, 2)


@every_method
def test_transform_is_encode_and_inverse_transform_is_decode(method: str) -> None:
    tokenizer = make(method)
    codes = tokenizer.fit_transform(VECTORS, TARGETS, compute=Compute(batch_size=50))
    np.testing.assert_array_equal(tokenizer.transform(VECTORS), codes)
    np.testing.assert_array_equal(tokenizer.encode(VECTORS), codes)
    np.testing.assert_array_equal(make(method).fit(VECTORS).encode(VECTORS), codes)
    np.testing.assert_array_equal(tokenizer.inverse_transform(codes), tokenizer.decode(codes))


def test_a_start_passes_through_fit_transform() -> None:
    start = make("rqkmeans", pca_dim=4).fit(VECTORS)
    codes = make("rqvae").fit_transform(VECTORS, start=start)
    np.testing.assert_array_equal(codes, make("rqvae").fit(VECTORS, start=start).encode(VECTORS))


def test_no_scikit_learn_is_needed() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = sys.modules['tqdm'] = None\n"
        "import numpy as np\n"
        "from semid.quantizers import RQKMeans\n"
        "tokenizer = RQKMeans(num_levels=2, codebook_size=4)\n"
        "tokenizer.set_params(**tokenizer.get_params()).set_params(seed=1)\n"
        "vectors = np.random.default_rng(0).normal(size=(50, 4))\n"
        "print(tokenizer.fit_transform(vectors, verbose=True).shape, tokenizer)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "(50, 2) RQKMeans(num_levels=2, codebook_size=4, seed=1)"


def test_the_example_of_the_page_works() -> None:
    page = (ROOT / "docs/reference/tokenizers.md").read_text(encoding="utf-8")
    example = page.partition("```python\nfrom sklearn")[2].partition("```")[0]
    names: dict[str, Any] = {"RQKMeans": RQKMeans, "vectors": mixture(400, 24)}
    exec(f"from sklearn{example}", names)
    assert names["codes"].shape == (400, 4)
    assert names["approximation"].shape == (400, 24)


# where to compute


@every_method
def test_a_device_is_a_plain_word(method: str) -> None:
    expected = make(method).fit(VECTORS)
    for device in ("cpu", "auto", torch.device("cpu")):
        tokenizer = make(method).fit(VECTORS, device=device)
        tokenizer.encode(VECTORS, device=device)
        assert next(iter(tokenizer._state().values())).device.type == resolve_device(str(device)).type
        if resolve_device(str(device)).type == "cpu":
            assert same_codes(tokenizer, expected)
    codes = make(method).fit_transform(VECTORS, device="cpu")
    np.testing.assert_array_equal(codes, expected.transform(VECTORS, device="cpu"))


@every_method
def test_a_device_beside_compute_is_refused(method: str) -> None:
    compute, tokenizer = Compute(), make(method).fit(VECTORS)
    for call in (tokenizer.fit, tokenizer.encode, tokenizer.transform, tokenizer.fit_transform):
        with pytest.raises(InputError, match="device is given twice: as cpu, and in compute as cpu; give one"):
            call(VECTORS, compute=compute, device="cpu")
        with pytest.raises(InputError, match="device is 'gpu'; expected auto, cpu, mps or cuda"):
            call(VECTORS, device="gpu")
        with pytest.raises(InputError, match=r"compute must be a Compute, got 'cpu': .* device="):
            call(VECTORS, compute="cpu")


@every_method
def test_compute_may_stand_in_the_place_of_the_targets(method: str, tmp_path: Path) -> None:
    compute = Compute(scratch=tmp_path)
    assert same_codes(make(method).fit(VECTORS, compute), make(method).fit(VECTORS, compute=compute))
    with pytest.raises(InputError, match="compute is given twice"):
        make(method).fit(VECTORS, compute, compute=compute)
    with pytest.raises(InputError, match="device is given twice"):
        make(method).fit(VECTORS, compute, device="cpu")


def test_targets_that_were_meant_as_another_argument_are_refused() -> None:
    with pytest.raises(InputError, match="targets, which are ignored, got 'cuda': give device= or start="):
        make("rqkmeans").fit(VECTORS, "cuda")
    with pytest.raises(InputError, match=r"targets, which are ignored, got RQKMeans\(.*\): give device= or start="):
        make("rqvae").fit(VECTORS, make("rqkmeans"))


# progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@every_method
def test_nothing_is_shown_unless_it_is_asked_for(method: str, capfd: pytest.CaptureFixture[str]) -> None:
    make(method).fit_transform(VECTORS)
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


STEPS = {
    "rqkmeans": ["level 1 of 2: 3 of 3 iterations", "level 2 of 2: 3 of 3 iterations"],
    "rqvae": ["level 1 of 2: 3 of 3 iterations", "level 2 of 2: 3 of 3 iterations", "training: 3 of 3 epochs"],
    "vqvae": ["level 1 of 1: 3 of 3 iterations", "training: 3 of 3 epochs"],
    "opq": ["sub-space 1 of 2: 3 of 3 iterations", "sub-space 2 of 2: 3 of 3 iterations", "rotation: 3 of 3 updates"],
}


@every_method
def test_a_pipe_gets_a_line_for_each_part_of_the_work(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    silent = make(method).fit(VECTORS)
    tokenizer = make(method).fit(VECTORS, verbose=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(", ")[0] for line in lines] == STEPS[method]
    assert all(line.endswith(", 0 s left") for line in lines)
    assert same_codes(tokenizer, silent)
    tokenizer.encode(VECTORS, verbose=True)
    assert capsys.readouterr().err.startswith(f"encoding: {N} of {N} vectors, ")


@every_method
def test_a_terminal_gets_bars(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    make(method).fit_transform(VECTORS, verbose=True)
    shown = terminal.getvalue()
    for step in [*STEPS[method], f"encoding: {N} of {N} vectors"]:
        what, _, count = step.partition(": ")
        done, _, unit = count.partition(" of ")[2].partition(" ")
        assert f"{what}: 100%" in shown
        assert f" {done}/{done} [" in shown
        assert f" {unit}/s]" in shown or f"s/ {unit}]" in shown


def test_iterations_that_are_not_needed_are_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    points = np.repeat(np.eye(4, dtype=np.float32), 10, axis=0)
    RQKMeans(num_levels=1, codebook_size=4, kmeans_iters=25).fit(points, verbose=True)
    assert capsys.readouterr().err.startswith("level 1 of 1: 1 of 1 iterations, ")


def test_epochs_after_an_interruption_are_those_that_are_left(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    whole = make("rqvae", keep="last")
    whole.fit(VECTORS, checkpoint=tmp_path, verbose=True)
    assert "training: 3 of 3 epochs" in capsys.readouterr().err
    # all of it was done
    make("rqvae", keep="last").fit(VECTORS, checkpoint=tmp_path, verbose=True)
    assert capsys.readouterr().err == ""


def test_progress_that_ends_early_is_whole_and_no_work_takes_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(10, "work") as progress:
        progress.update(4)
        progress.end_early()
    assert capsys.readouterr().err.startswith("work: 4 of 4 rows, ")
    with Progress(0, "work"):
        pass
    assert capsys.readouterr().err == "work: 0 of 0 rows, 0 rows/s, 0 s left\n"
    with Progress(10, "work", shown=False) as progress:
        progress.update(4)
    assert capsys.readouterr().err == ""


# documentation


@every_method
def test_help_explains_every_option(method: str) -> None:
    kind = METHODS[method].load()
    page = pydoc.plain(pydoc.render_doc(kind))
    text = " ".join(page.replace(" |  ", " ").split())
    assert "Annotated[" not in page.partition("Data and other attributes")[0]
    for option in options_of(kind):
        assert f"{option.name} : " in page
        assert f", default {option.default!r}" in page
        assert " ".join(option.text.replace("null", "None").split()) in text
    for call in ("fit(", "transform(", "fit_transform(", "encode(", "decode(", "get_params(", "set_params("):
        assert call in page


@pytest.mark.parametrize("kind", [*(METHODS[name].load() for name in METHODS), ExternalCodes, Compute], ids=str)
def test_prose_comes_first_and_the_options_after_it(kind: type) -> None:
    text = inspect.getdoc(kind)
    assert text is not None
    prose, _, listed = text.partition("\n\nParameters\n----------\n")
    assert prose == prose_of(kind)
    assert prose.endswith(".")
    names = [line.partition(" : ")[0] for line in listed.splitlines() if not line.startswith(" ")]
    assert names == [option.name for option in options_of(kind)]
    assert names == list(inspect.signature(kind).parameters)


@every_method
def test_signatures_name_plain_types_and_the_defaults(method: str) -> None:
    kind = METHODS[method].load()
    signature = inspect.signature(kind)
    assert "Annotated" not in str(signature)
    assert "Annotated" not in str(inspect.signature(kind.__init__))
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in signature.parameters.values())
    defaults = {option.name: option.default for option in options_of(kind) if option.name != "metadata"}
    assert {name: signature.parameters[name].default for name in defaults} == defaults
    assert signature.parameters["codebook_size"].annotation is int
    assert list(inspect.signature(kind.fit).parameters)[:3] == ["self", "vectors", "y"]


# copies


@every_method
def test_copies_encode_as_what_they_are_copies_of(method: str) -> None:
    tokenizer = make(method).fit(VECTORS)
    for copied in (copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer)), copy.copy(tokenizer)):
        assert same_codes(copied, tokenizer)
        np.testing.assert_array_equal(
            copied.decode(copied.encode(VECTORS)), tokenizer.decode(tokenizer.encode(VECTORS))
        )
        assert copied.get_params() == tokenizer.get_params()
    other = copy.deepcopy(tokenizer).fit(VECTORS[:100])
    assert not same_codes(other, tokenizer)


@every_method
def test_processes_and_threads_encode_parts_of_the_vectors(method: str) -> None:
    tokenizer = make(method).fit(VECTORS)
    expected = tokenizer.encode(VECTORS)
    for prefer in ("processes", "threads"):
        parts = Parallel(n_jobs=2, prefer=prefer)(
            delayed(tokenizer.encode)(part) for part in np.array_split(VECTORS, 4)
        )
        np.testing.assert_array_equal(np.concatenate(parts), expected)


# what people give


@every_method
def test_lists_and_float64_are_vectors(method: str) -> None:
    expected = make(method).fit_transform(VECTORS)
    np.testing.assert_array_equal(make(method).fit_transform(VECTORS.tolist()), expected)
    np.testing.assert_array_equal(make(method).fit_transform(VECTORS.astype(np.float64)), expected)
    np.testing.assert_array_equal(make(method).fit_transform(torch.from_numpy(VECTORS)), expected)
    np.testing.assert_array_equal(make(method).fit_transform(list(VECTORS)), expected)


@every_method
@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (pd.DataFrame(VECTORS), r"vectors are a table \(DataFrame\): give a plain array, as \.to_numpy\(\) makes"),
        (scipy.sparse.csr_matrix(VECTORS), r"vectors are a sparse matrix \(csr_matrix\): .*\.toarray\(\) makes"),
        (pd.Series(list(VECTORS)).to_numpy(), r"Python objects: expected real numbers, as np.stack\(vectors\) makes"),
        (VECTORS.astype(object), r"Python objects: expected real numbers, as np.array\(vectors, float\) makes"),
        (VECTORS[0], r"vectors have shape \(8,\): expected \[rows, dim\]"),
        (VECTORS[:, :5], "vectors are 5 wide, the tokenizer was trained on vectors 8 wide"),
    ],
    ids=["table", "sparse", "vectors in a column", "objects", "one vector", "narrow"],
)
def test_what_is_no_array_of_vectors_is_said_in_a_sentence(method: str, vectors: Any, message: str) -> None:
    tokenizer = make(method).fit(VECTORS)
    with pytest.raises(InputError, match=message):
        tokenizer.transform(vectors)
