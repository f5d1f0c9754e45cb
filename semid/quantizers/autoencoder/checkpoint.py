"""Checkpoints of the training of an autoencoder: where it stands, and all that its result depends on."""

import dataclasses
import logging
import math
from pathlib import Path

import torch
from torch import Tensor

from semid.checkpoint import (
    Checkpoint,
    digest_of_options,
    digest_of_tensors,
    expected_moments,
    joined_parts,
    load_moments,
    parts_of,
)
from semid.errors import InputError
from semid.jobs.digests import code_digest
from semid.quantizers.autoencoder.model import Autoencoder
from semid.quantizers.autoencoder.state import Training, new_optimizer
from semid.quantizers.compute import Compute
from semid.quantizers.decoder import Decoder
from semid.quantizers.tensors import check_tensors
from semid.quantizers.tokenizer import Tokenizer

logger = logging.getLogger(__name__)


def save_training(checkpoint: Checkpoint, training: Training) -> None:
    """Write where a training stands; `restore_training` reads it."""
    states = {
        "trained": training.model.state_dict(),
        # empty with `keep: last`
        "kept": training.kept,
        "generator": {"state": training.generator.get_state()},
    }
    if training.resumed is not training.kept:
        states["resumed"] = training.resumed
    tensors = joined_parts(states, training.optimizer)
    checkpoint.write(tensors, {"history": training.history, "learning_rate": training.learning_rate})


def restore_training(checkpoint: Checkpoint, model: Autoencoder, generator: torch.Generator) -> Training | None:
    """Put model and generator where `save_training` left them; None, and both stay, where nothing can be used."""
    content = checkpoint.read()
    if content is None:
        return None
    tensors, scalars = content
    history = scalars["history"]
    is_finite = math.isfinite(history[-1]["held_out_error"])
    try:
        states = _checked_states(checkpoint.path, tensors, model, generator, is_finite)
    except InputError as error:
        logger.warning("%s: the checkpoint is ignored, and training begins anew", error)
        return None
    optimizer = new_optimizer(model, scalars["learning_rate"])
    load_moments(optimizer, states)
    model.load_state_dict(states["trained"])
    generator.set_state(states["generator"]["state"])
    kept = states.get("kept", {})
    logger.info("%s: training continues after epoch %d", checkpoint.path, history[-1]["epoch"])
    return Training(model, optimizer, generator, history, kept, states.get("resumed", kept))


def _checked_states(
    path: Path, tensors: dict[str, Tensor], model: Autoencoder, generator: torch.Generator, is_finite: bool
) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of a checkpoint by their part and by their name in it.

    Raises `InputError` unless they are those of this model, its optimizer and its generator, and their values can be
    used. What is still being trained may hold NaN where the last epoch was not `is_finite`; what was kept may not.
    """
    states = {"trained": {}, "generator": {}, **parts_of(tensors)}
    expected: dict[str, dict[str, Tensor]] = dict.fromkeys(("trained", "kept", "resumed"), model.state_dict())
    expected["generator"] = {"state": generator.get_state()}
    expected |= expected_moments(model.parameters())
    for part, state in states.items():
        if part not in expected:
            raise InputError(f"{path}: expected the parts {', '.join(expected)}, found {part} too")
        given = {f"{part}/{name}": tensor for name, tensor in state.items()}
        wanted = {f"{part}/{name}": tensor for name, tensor in expected[part].items()}
        check_tensors(path, given, wanted, any_value=not is_finite and part not in ("kept", "resumed"))
    return states


def training_key(tokenizer: Tokenizer, rows: Tensor, compute: Compute, start: Decoder | None) -> dict[str, str]:
    """Return digests of all that the result of a training depends on, by what they are of.

    Metadata and block sizes are not among them.
    """
    options = {field.name: getattr(tokenizer, field.name) for field in dataclasses.fields(tokenizer)}
    del options["metadata"]
    machine = {"torch": torch.__version__, "device": compute.device, "threads": torch.get_num_threads()}
    return {
        "options": digest_of_options({"class": type(tokenizer).__name__, **options}),
        "code": digest_of_code(type(tokenizer)),
        "training rows": digest_of_tensors({"rows": rows}),
        "start": digest_of_tensors(start._state()) if start is not None else "none",
        "device, threads or torch version": digest_of_options(machine),
    }


def digest_of_code(kind: type) -> str:
    """Return the digest of the code of semid that a class, and the classes that it derives from, can run."""
    modules = {base.__module__ for base in kind.__mro__}
    return code_digest(*sorted(module for module in modules if module.startswith("semid.")))
