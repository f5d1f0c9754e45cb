"""Semantic IDs in tiny random models: tokens that stay whole, and generation of existing IDs alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from semid.errors import InputError
from semid.hf import SemanticIDIndex, SemanticIDLogitsProcessor, SemanticIDTokens, add_semantic_ids
from semid.semantic_ids.exports.added_tokens import add_to_tokenizer
from semid.semantic_ids.exports.tokens import IdTokens, token_names

SIZES = (6, 5, 7)
TEXTS = ["Items of a user, the oldest first: Next item?", "the quick brown fox jumps over the lazy dog"] * 20
RNG = np.random.default_rng(0)
CODES = np.stack([RNG.integers(0, size, 60) for size in SIZES], axis=1)
NAMES = [name for level in token_names(SIZES) for name in level]


def byte_level() -> PreTrainedTokenizerFast:
    """A tokenizer of the kind of Qwen and Llama 3."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<pad>", "</s>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>", padding_side="left")


def unigram() -> PreTrainedTokenizerFast:
    """A tokenizer of the kind of SentencePiece, as T5 has it."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=80, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>", unk_token="<unk>", padding_side="left"
    )


TOKENIZERS = {"byte level": byte_level, "unigram": unigram}


def qwen(vocabulary: int, tied: bool = False) -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=vocabulary, tie_word_embeddings=tied, **size, **heads))
    return model.eval()


def t5(vocabulary: int) -> T5ForConditionalGeneration:
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=vocabulary, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=0
    )
    return T5ForConditionalGeneration(config).eval()


def ids_of(tokenizer: Any, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False).input_ids


@pytest.mark.parametrize("make", TOKENIZERS.values(), ids=TOKENIZERS)
@pytest.mark.parametrize("by_export", [False, True], ids=["by add_semantic_ids", "by the export"])
def test_an_id_is_exactly_its_tokens_before_and_after_save_and_reload(
    make: Any, by_export: bool, tmp_path: Path
) -> None:
    tokenizer = make()
    vocabulary = len(tokenizer)
    if by_export:
        tokenizer.save_pretrained(tmp_path / "base")
        first = add_to_tokenizer(tmp_path / "base", NAMES, tmp_path / "saved")
        tokens = SemanticIDTokens.of_tokenizer(AutoTokenizer.from_pretrained(tmp_path / "saved"), SIZES)
        assert tokens.first == first
        tokenizers = [AutoTokenizer.from_pretrained(tmp_path / "saved")]
    else:
        tokens = add_semantic_ids(tokenizer, sizes=SIZES)
        tokenizer.save_pretrained(tmp_path / "saved")
        tokenizers = [tokenizer, AutoTokenizer.from_pretrained(tmp_path / "saved")]
    assert tokens == SemanticIDTokens(vocabulary, SIZES)
    texts = IdTokens(CODES, SIZES).texts(slice(None))
    for each in tokenizers:
        assert len(each) == vocabulary + sum(SIZES)
        for text, ids in zip(texts, tokens.ids(CODES).tolist(), strict=True):
            assert ids_of(each, text) == ids
        history = f"Items of a user: {texts[0]}, {texts[1]}{texts[2]}\nNext item?"
        found = ids_of(each, history)
        assert [token for token in found if token >= vocabulary] == tokens.ids(CODES[:3]).ravel().tolist()
        # normal tokens, which stay in what is decoded
        assert each.decode(tokens.ids(CODES[:1])[0], skip_special_tokens=True).replace(" ", "") == texts[0]


def test_tokens_are_level_major_whatever_the_sizes() -> None:
    tokens = add_semantic_ids(byte_level(), sizes=SIZES)
    assert tokens.offsets.tolist() == [tokens.first + offset for offset in (0, 6, 11, 18)]
    assert tokens.ids(np.array([[5, 0, 6]])).tolist() == [[tokens.first + 5, tokens.first + 6, tokens.first + 17]]


@pytest.mark.parametrize("tied", [False, True])
def test_new_rows_begin_at_the_mean_and_old_rows_stay(tied: bool) -> None:
    tokenizer = byte_level()
    vocabulary = len(tokenizer)
    model = qwen(vocabulary, tied)
    layers = (model.get_input_embeddings, model.get_output_embeddings)
    before = [layer().weight.detach().clone() for layer in layers]
    tokens = add_semantic_ids(tokenizer, model, SIZES)
    for layer, old in zip(layers, before, strict=True):
        weight = layer().weight.detach()
        assert weight.shape[0] == vocabulary + 18
        assert torch.equal(weight[:vocabulary], old)
        away = (weight[vocabulary:] - old.mean(dim=0)).abs()
        assert 0 < away.max() < 0.1 * old.std()
        assert len(weight[vocabulary:].unique(dim=0)) == 18
    assert (layers[0]().weight is layers[1]().weight) == tied
    # a second call finds tokens and rows, which may be trained by then
    with torch.no_grad():
        model.get_input_embeddings().weight[tokens.first] = 7.0
    assert add_semantic_ids(tokenizer, model, SIZES) == tokens
    assert (model.get_input_embeddings().weight[tokens.first] == 7.0).all()


def test_new_rows_may_lie_as_the_codewords_do() -> None:
    tokenizer = byte_level()
    model = qwen(len(tokenizer))
    books = [RNG.normal(size=(size, 4)) for size in SIZES]
    books[0][1] = books[0][0] + 1e-3
    old = model.get_input_embeddings().weight.detach().clone()
    tokens = add_semantic_ids(tokenizer, model, SIZES, codebooks=books)
    rows = model.get_input_embeddings().weight.detach()[tokens.first : tokens.first + 6]
    away = (rows[0] - rows).norm(dim=1)
    assert away[1] < 0.01 * away[2:].min()
    spread = (rows - old.mean(dim=0)).square().mean().sqrt()
    assert 0.5 < spread / old.std() < 2
    with pytest.raises(InputError, match="codebooks have 12 codewords, but there are 18 codes"):
        add_semantic_ids(byte_level(), qwen(300), SIZES, codebooks=[books[0], books[0]])


def test_rows_that_pad_a_vocabulary_are_used_and_none_is_lost() -> None:
    tokenizer = byte_level()
    model = qwen(len(tokenizer) + 64)
    rows = len(tokenizer) + 64
    padding = model.get_input_embeddings().weight.detach().clone()
    tokens = add_semantic_ids(tokenizer, model, SIZES)
    weight = model.get_input_embeddings().weight.detach()
    assert weight.shape[0] == rows
    assert not torch.equal(weight[tokens.first], padding[tokens.first])
    assert torch.equal(weight[tokens.first + 18 :], padding[tokens.first + 18 :])


def reference(index_codes: np.ndarray, tokens: SemanticIDTokens, sequence: list[int], eos: int) -> set[int]:
    """What may come behind a sequence, by a search over all prefixes of all IDs."""
    ids = [tuple(row) for row in tokens.ids(index_codes).tolist()]
    for length in range(len(SIZES), 0, -1):
        tail = tuple(sequence[-length:])
        if len(tail) == length and any(row[:length] == tail for row in ids):
            return {eos} if length == len(SIZES) else {row[length] for row in ids if row[:length] == tail}
    return {row[0] for row in ids}


def test_what_may_come_next_is_what_a_search_over_all_ids_finds() -> None:
    tokens = SemanticIDTokens(30, SIZES)
    processor = SemanticIDLogitsProcessor(SemanticIDIndex(CODES, tokens), eos_token_id=1)
    ids = tokens.ids(CODES)
    rows = [
        [0, 1, 2, 3],
        [3, 4, 5, *ids[0, :1]],
        [3, 4, *ids[1, :2]],
        [3, *ids[2]],
        [*ids[3], ids[4, 0]],
        [3, 4, 5, ids[5, 1]],
        [3, ids[6, 0], ids[6, 0], ids[6, 1]],
        [3, 4, ids[7, 0], 5],
        [9, 9, ids[8, 1], ids[8, 2]],
        *RNG.integers(25, 50, (200, 4)).tolist(),
    ]
    scores = torch.from_numpy(RNG.normal(size=(len(rows), 60))).float()
    allowed = processor(torch.tensor(rows), scores)
    for row, of_row, before in zip(rows, allowed, scores, strict=True):
        expected = sorted(reference(CODES, tokens, row, 1))
        assert torch.isfinite(of_row).nonzero()[:, 0].tolist() == expected
        assert torch.equal(of_row[expected], before[expected])


def test_a_whole_id_at_the_end_of_a_prompt_is_history_where_its_length_is_given() -> None:
    tokens = SemanticIDTokens(30, SIZES)
    index = SemanticIDIndex(CODES, tokens)
    prompt = torch.tensor([[5, *tokens.ids(CODES[:1])[0]]])
    scores = torch.zeros(1, 60)
    firsts = sorted(set(tokens.ids(CODES)[:, 0].tolist()))
    at_start = SemanticIDLogitsProcessor(index, 1, prompt_length=4)(prompt, scores)
    assert torch.isfinite(at_start).nonzero()[:, 1].tolist() == firsts
    later = SemanticIDLogitsProcessor(index, 1, prompt_length=1)(prompt, scores)
    assert torch.isfinite(later).nonzero()[:, 1].tolist() == [1]


def generate(model: Any, tokenizer: Any, processor: SemanticIDLogitsProcessor, inputs: Any, **options: Any) -> Any:
    config = GenerationConfig(
        max_new_tokens=len(SIZES) + 1,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
        do_sample=False,
        **options,
    )
    return model.generate(**inputs, generation_config=config, logits_processor=LogitsProcessorList([processor]))


# questions of unequal lengths: with history that ends with an ID, without, and with the first codes of the answer
def questions() -> list[str]:
    texts = IdTokens(CODES, SIZES)
    first, second = texts.of([0, 1])
    return [
        f"Items of a user: {''.join(first)}, {''.join(second)}\nNext item?",
        "Next item?",
        f"Items of a user, the oldest first: {''.join(second)}\nNext item? {first[0]}",
        f"Next item? {second[0]}{second[1]}",
    ]


@pytest.mark.parametrize("make", TOKENIZERS.values(), ids=TOKENIZERS)
@pytest.mark.parametrize("beams", [1, 6])
def test_every_beam_of_a_decoder_is_an_item_whatever_the_prefixes(make: Any, beams: int) -> None:
    tokenizer = make()
    model = qwen(len(tokenizer))
    tokens = add_semantic_ids(tokenizer, model, SIZES)
    index = SemanticIDIndex(CODES, tokens)
    inputs = tokenizer(questions(), return_tensors="pt", padding=True, add_special_tokens=False)
    inputs.pop("token_type_ids", None)
    processor = SemanticIDLogitsProcessor(index, tokenizer.eos_token_id, inputs.input_ids.shape[1])
    found = generate(model, tokenizer, processor, inputs, num_beams=beams, num_return_sequences=beams)
    items = index.items(found)
    assert len(items) == len(questions()) * beams
    assert all(len(of_row) for of_row in items)
    ids = [tuple(CODES[of_row[0]]) for of_row in items]
    assert all(tuple(CODES[item]) == code for of_row, code in zip(items, ids, strict=True) for item in of_row)
    # rows whose prompt has the first codes of an ID go on with it
    assert {code[0] for code in ids[2 * beams : 3 * beams]} == {CODES[0, 0]}
    assert {code[:2] for code in ids[3 * beams :]} == {tuple(CODES[1, :2])}
    assert all(len(set(ids[start : start + beams])) == beams for start in (0, beams))
    # behind the ID there is its end, and then nothing
    width = inputs.input_ids.shape[1]
    behind = found[: 2 * beams, width + len(SIZES) :]
    assert set(behind.unique().tolist()) <= {tokenizer.eos_token_id, tokenizer.pad_token_id}


@pytest.mark.parametrize("beams", [1, 8])
def test_every_beam_of_an_encoder_decoder_is_an_item(beams: int) -> None:
    tokenizer = unigram()
    model = t5(len(tokenizer))
    tokens = add_semantic_ids(tokenizer, model, SIZES)
    index = SemanticIDIndex(CODES, tokens)
    inputs = tokenizer(questions(), return_tensors="pt", padding=True)
    inputs.pop("token_type_ids", None)
    processor = SemanticIDLogitsProcessor(index, tokenizer.eos_token_id)
    found = generate(model, tokenizer, processor, inputs, num_beams=beams, num_return_sequences=beams)
    items = index.items(found)
    assert len(items) == 4 * beams
    assert all(len(of_row) for of_row in items)
    codes = [tuple(CODES[of_row[0]]) for of_row in items]
    assert all(len(set(codes[start : start + beams])) == beams for start in range(0, len(codes), beams))


def test_beams_have_the_scores_of_a_search_over_all_items() -> None:
    tokenizer = unigram()
    model = t5(len(tokenizer))
    tokens = add_semantic_ids(tokenizer, model, SIZES)
    index = SemanticIDIndex(CODES, tokens)
    inputs = tokenizer(["Next item?"], return_tensors="pt")
    inputs.pop("token_type_ids", None)
    processor = SemanticIDLogitsProcessor(index, tokenizer.eos_token_id)
    distinct = np.unique(CODES, axis=0)
    options = {"num_beams": len(distinct), "num_return_sequences": 5, "length_penalty": 0.0}
    found = generate(model, tokenizer, processor, inputs, **options)
    end = np.full((len(distinct), 1), tokenizer.eos_token_id)
    labels = torch.from_numpy(np.hstack([tokens.ids(distinct), end]))
    many = {name: value.expand(len(distinct), -1) for name, value in inputs.items()}
    with torch.no_grad():
        logits = model(**many, labels=labels).logits.log_softmax(dim=-1)
    sums = logits.gather(2, labels[:, :, None])[:, :, 0].sum(dim=1)
    best = sums.topk(5).indices
    assert [tuple(CODES[items[0]]) for items in index.items(found)] == [tuple(distinct[row]) for row in best.tolist()]


def test_items_come_back_from_what_was_generated() -> None:
    tokens = SemanticIDTokens(30, SIZES)
    codes = np.array([[1, 2, 3], [0, 0, 0], [1, 2, 3], [5, 4, 6]])
    index = SemanticIDIndex(codes, tokens)
    ids = tokens.ids(codes).tolist()
    none = tokens.ids(np.array([[5, 4, 5]])).tolist()[0]
    sequences = [
        [9, *ids[1], *ids[0], 1],
        [9, 9, 9, 9, *ids[3], 1],
        [*ids[3], 9, *none, 1],
        [*ids[3], 9, 9, 9, *ids[0][:2]],
        [9] * 8,
    ]
    found = [items.tolist() for items in index.items(torch.tensor(sequences))]
    assert found == [[0, 2], [3], [], [3], []]
    behind = [items.tolist() for items in index.items(torch.tensor(sequences), prompt_length=4)]
    assert behind == [[0, 2], [3], [], [], []]
    assert [items.tolist() for items in index.items(torch.tensor([[1, 2]]))] == [[]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: add_semantic_ids(byte_level(), sizes=()), "sizes must be the codes of 1 to 26 levels"),
        (lambda: add_semantic_ids(byte_level(), sizes=(3, 0)), "sizes must be the codes of 1 to 26 levels"),
        (lambda: SemanticIDTokens.of_tokenizer(unigram(), SIZES), "the tokenizer has no token <a_0>: add_semantic_ids"),
        (lambda: SemanticIDTokens(3, SIZES).ids(CODES[:, :2]), r"codes must be integers \[n, 3\]"),
        (lambda: SemanticIDTokens(3, SIZES).ids(CODES + 9), "codes must be from 0 to below the sizes"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(change: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        change()


def test_a_tokenizer_with_some_of_the_tokens_is_refused() -> None:
    tokenizer = byte_level()
    tokenizer.add_tokens(["<a_3>"])
    with pytest.raises(InputError, match="the tokenizer has <a_3> already, but not all of the 18 tokens"):
        add_semantic_ids(tokenizer, sizes=SIZES)
    tokenizer.add_tokens(NAMES)
    with pytest.raises(InputError, match="do not follow each other"):
        SemanticIDTokens.of_tokenizer(tokenizer, SIZES)


def test_many_sequences_are_looked_up_at_once() -> None:
    codes = np.random.default_rng(1).integers(0, 64, (20_000, 4))
    tokens = SemanticIDTokens(100, (64,) * 4)
    index = SemanticIDIndex(codes, tokens)
    rows = torch.from_numpy(tokens.ids(codes[:512]))
    assert [items.tolist() for items in index.items(rows)] == [
        np.flatnonzero((codes == code).all(axis=1)).tolist() for code in codes[:512]
    ]
