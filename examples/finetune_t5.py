"""Fine-tune a T5 on the text of an export `hf`, and recommend items by it.

    python examples/finetune_t5.py results/sample/rqkmeans_4x256/exports/hf --epochs 3

Without `--model`, a folder or the name of a T5, a small one with random weights is trained, which shows the way and no
more. Prints the loss of every epoch, Recall@10 on the test split, and what is recommended to the first users.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from semid.hf import SemanticIDIndex, SemanticIDLogitsProcessor, add_semantic_ids
from semid.semantic_ids import read_external_codes


class Example(NamedTuple):
    """A question, the right answer, and in splits to evaluate on the id of the right item."""

    question: str
    answer: str
    item_id: str


def read_examples(path: Path) -> list[Example]:
    """Read a file of messages."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    turns = [[turn["content"] for turn in line["messages"]] for line in lines]
    return [Example(*contents, line.get("item_id", "")) for contents, line in zip(turns, lines, strict=True)]


def load_model(name: str | None, texts: Sequence[str]) -> tuple[Any, Any]:
    """Return tokenizer and model: those of a name, or small ones with random weights and words of the texts."""
    if name:
        return AutoTokenizer.from_pretrained(name), T5ForConditionalGeneration.from_pretrained(name)
    words = Tokenizer(models.Unigram())
    words.pre_tokenizer, words.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    words.train_from_iterator(
        texts, trainers.UnigramTrainer(vocab_size=1000, special_tokens=special, unk_token="<unk>")
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="</s>", pad_token="<pad>", unk_token="<unk>", model_max_length=512
    )
    config = T5Config(
        vocab_size=len(tokenizer), d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, decoder_start_token_id=0
    )
    return tokenizer, T5ForConditionalGeneration(config)


def batches(rows: int, size: int, generator: np.random.Generator | None = None) -> Iterator[np.ndarray]:
    """Yield row numbers in batches, shuffled where a generator is given."""
    order = np.arange(rows) if generator is None else generator.permutation(rows)
    for start in range(0, rows, size):
        yield order[start : start + size]


def encode(tokenizer: Any, texts: list[str]) -> dict[str, torch.Tensor]:
    """Return a batch of texts as tokens, each with its end behind it."""
    ended = [text + tokenizer.eos_token for text in texts]
    batch = tokenizer(ended, return_tensors="pt", padding=True, truncation=True, add_special_tokens=False)
    return {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}


def train(
    model: Any, tokenizer: Any, examples: list[Example], epochs: int, batch_size: int, rate: float
) -> list[float]:
    """Train on all examples so many times; return the mean loss of every epoch."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    generator = np.random.default_rng(0)
    losses = []
    model.train()
    for _ in range(epochs):
        of_epoch = []
        for rows in batches(len(examples), batch_size, generator):
            inputs = encode(tokenizer, [examples[row].question for row in rows])
            labels = encode(tokenizer, [examples[row].answer for row in rows])["input_ids"]
            loss = model(**inputs, labels=labels.masked_fill(labels == tokenizer.pad_token_id, -100)).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            of_epoch.append(loss.item())
        losses.append(float(np.mean(of_epoch)))
        print(f"epoch {len(losses)}: loss {losses[-1]:.3f}", flush=True)
    return losses


@torch.inference_mode()
def recommend(model: Any, tokenizer: Any, index: SemanticIDIndex, questions: list[str], k: int = 10) -> list[list[int]]:
    """Return the rows of the first k items for each question, the best first; items that share an ID come together."""
    model.eval()
    processor = SemanticIDLogitsProcessor(index, tokenizer.eos_token_id)
    found = []
    for rows in batches(len(questions), 64):
        inputs = encode(tokenizer, [questions[row] for row in rows])
        sequences = model.generate(
            **inputs,
            num_beams=k,
            num_return_sequences=k,
            max_new_tokens=len(index.tokens.sizes) + 1,
            length_penalty=0.0,
            do_sample=False,
            logits_processor=[processor],
        )
        items = index.items(sequences)
        for start in range(0, len(items), k):
            # fewer IDs than beams exist in a toy catalogue
            found.append(list(dict.fromkeys(np.concatenate(items[start : start + k]).tolist()))[:k])
    return found


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path, help="the folder of an export hf with messages")
    parser.add_argument("--model", help="a T5 of Hugging Face, or a folder; without it, a small random one")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--output", type=Path, help="a folder for the model and its tokenizer")
    options = parser.parse_args(arguments)

    torch.manual_seed(0)
    examples = {split: read_examples(options.export / f"messages/{split}.jsonl") for split in ("train", "test")}
    tokenizer, model = load_model(options.model, [example.question for example in examples["train"]])
    sizes = json.loads((options.export / "manifest.json").read_text(encoding="utf-8"))["codes_of_levels"]
    tokens = add_semantic_ids(tokenizer, model, sizes)
    table = list(read_external_codes(options.export / "semantic_ids.parquet"))
    ids = [name for batch in table for name in batch.ids.to_pylist()]
    index = SemanticIDIndex(np.concatenate([batch.codes for batch in table]), tokens)

    losses = train(model, tokenizer, examples["train"], options.epochs, options.batch_size, options.rate)
    found = recommend(model, tokenizer, index, [example.question for example in examples["test"]])
    recommended = [[ids[row] for row in rows] for rows in found]
    hits = [example.item_id in items for example, items in zip(examples["test"], recommended, strict=True)]
    print(f"Recall@10 on {len(hits)} users: {np.mean(hits):.4f}")
    for example, items in list(zip(examples["test"], recommended, strict=True))[:3]:
        print(f"{example.question}\n  recommended: {', '.join(items[:5])}; right: {example.item_id}")
    if options.output:
        model.save_pretrained(options.output)
        tokenizer.save_pretrained(options.output)
    return {"losses": losses, "recall@10": float(np.mean(hits)), "recommended": recommended}


if __name__ == "__main__":
    main()
