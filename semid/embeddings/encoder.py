"""Text encoders, run by sentence-transformers."""

import logging
from typing import Any, cast

import numpy as np
import sentence_transformers
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.normalize import Normalize
from sentence_transformers.base.modules.transformer import Transformer
from sentence_transformers.sentence_transformer.modules.pooling import Pooling
from torch import nn
from transformers.utils import logging as transformers_logging

from semid.device import resolve_device
from semid.embeddings.encoder_files import (
    EncoderPlan,
    cannot_load,
    declared_plan,
    model_source,
    report_contradictions,
    used_plan,
)
from semid.embeddings.settings import EncoderSettings
from semid.errors import InputError
from semid.files import first_line
from semid.progress import Progress

logger = logging.getLogger(__name__)

SORT_WINDOW = 16_384
LENGTH_STEP = 4


class TransformerEncoder:
    """Text to vectors by the modules of a sentence-transformers model, or of a plain transformer.

    `compile_model` compiles the transformer by `torch.compile`. Two texts are encoded at once, so that a model that
    cannot work with the settings, the device or the compiler is an `InputError` before any work is done.
    """

    def __init__(self, settings: EncoderSettings, device: str = "auto", compile_model: bool = False) -> None:
        self._settings = settings
        self._device = resolve_device(device)
        declared = declared_plan(settings)
        plan = used_plan(settings, declared)
        report_contradictions(settings, declared, plan)
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
        source, options = model_source(self._settings)
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
            raise cannot_load(self._settings, error) from error
        transformer, *modules = model
        pooling = next((module for module in modules if isinstance(module, Pooling)), None)
        if not isinstance(transformer, Transformer) or transformer.tokenizer is None or pooling is None:
            kinds = ", ".join(type(module).__name__ for module in model)
            raise InputError(
                f"the encoder {self._settings.model!r} consists of {kinds}; expected a transformer of texts and its "
                "pooling: use another encoder, or embed the items elsewhere and give the vectors"
            )
        if transformer.model.config.is_encoder_decoder and hasattr(transformer.model, "get_encoder"):
            # the last states of the whole would be those of its decoder
            transformer.model = transformer.model.get_encoder()
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
        limits = [getattr(config, "max_position_embeddings", None)]
        for name, module in self._transformer.model.named_modules():
            if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
                # RoBERTa and its kin count positions from the one after that of padding
                limits.append(module.num_embeddings - module.padding_idx - 1)
        n_around = len(self._tokenizer(self._prompt)["input_ids"])
        if n_around >= self._settings.max_tokens:
            raise InputError(
                f"max_tokens is {self._settings.max_tokens}, but the prompt {self._prompt!r} and the special tokens of "
                f"{self._settings.model!r} are {n_around} tokens, so that nothing of an item would be read: raise "
                "max_tokens, or shorten `prompt`"
            )
        # the tokenizer's own limit is what the model was trained with, where the model has positions
        longest = min([limit for limit in limits if limit], default=self._tokenizer.model_max_length)
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
            first, second = tokens["input_ids"]
            if len(second) > 1:
                # two texts that begin alike, whatever words the model knows; the last token may end every text
                second[-2] = 0 if first[-2] else 1
            vectors = self._encode_batch(self._pad(tokens, [0, 1], len(first)))
        except Exception as error:  # kernels and compilers that are not there raise many kinds of errors
            where = f"{what or 'the encoder'} does not work for {self._settings.model!r} on {self._name()}"
            raise InputError(f"{where}: {first_line(error)}" + (f" ({remedy})" if remedy else "")) from error
        self.dim = vectors.shape[1]
        if plan.pooling == ("cls",) and first != second and bool((vectors[0] == vectors[1]).all()):
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
