"""Checkpoints of the training of a generator: where it stands after an epoch, and all that its result depends on."""

import dataclasses
import logging

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
from semid.generative.files import Catalogue
from semid.generative.settings import GeneratorSettings
from semid.generative.training import Training
from semid.jobs.digests import code_digest
from semid.quantizers.kernels import compiled
from semid.quantizers.tensors import check_tensors
from semid.retrieval.ragged import Ragged

logger = logging.getLogger(__name__)

# The scalars of a training: attributes of it that JSON can hold.
SCALARS = ("history", "step", "rollbacks")


def save_training(checkpoint: Checkpoint, training: Training) -> None:
    """Write where a training stands; `restore_training` reads it."""
    parts = {"trained": training.model.state_dict(), "kept": training.kept}
    tensors = joined_parts(parts, training.optimizer)
    checkpoint.write(tensors, {name: getattr(training, name) for name in SCALARS})


def restore_training(checkpoint: Checkpoint, training: Training) -> bool:
    """Put a training that has just begun where `save_training` left it; False, and it stays, where that cannot be."""
    content = checkpoint.read()
    if content is None:
        return False
    tensors, scalars = content
    states = parts_of(tensors)
    model = training.model.state_dict()
    learnt = [parameter for group in training.optimizer.param_groups for parameter in group["params"]]
    moments = {part: wanted for part, wanted in expected_moments(learnt).items() if part in states}
    try:
        for part, wanted in {"trained": model, "kept": model, **moments}.items():
            check_tensors(checkpoint.path, states.get(part, {}), wanted, any_value=part != "kept")
    except InputError as error:
        logger.warning("%s: the checkpoint is ignored, and training begins anew", error)
        return False
    load_moments(training.optimizer, states)
    training.model.load_state_dict(states["trained"])
    training.kept = {name: tensor.to(model[name].device) for name, tensor in states["kept"].items()}
    for name in SCALARS:
        setattr(training, name, scalars[name])
    logger.info("%s: training continues after epoch %d", checkpoint.path, len(training.history))
    return True


def training_key(
    settings: GeneratorSettings, catalogue: Catalogue, sequences: Ragged, validation: Ragged, device: str
) -> dict[str, str]:
    """Return digests of all that the result of a training depends on, by what they are of.

    validation: the histories of the users by whom epochs are measured, each with its target behind it.
    """
    items = {"codes": torch.from_numpy(catalogue.codes)}
    if catalogue.vectors is not None:
        items["vectors"] = torch.from_numpy(catalogue.vectors)
    sizes = [*catalogue.sizes, int(catalogue.parallel)]
    return {
        "options": digest_of_options(dataclasses.asdict(settings)),
        "code": code_digest("semid.generative.fit"),
        "items or codes": digest_of_tensors({**items, "sizes": torch.tensor(sizes)}),
        "interactions": digest_of_tensors({**_tensors("train", sequences), **_tensors("valid", validation)}),
        "device, threads, torch version or numba": digest_of_options(
            {
                "torch": torch.__version__,
                "device": device,
                "threads": torch.get_num_threads(),
                # epochs are measured by a search that it rounds in another order
                "compiled loops": compiled.runs_on(torch.device(device)),
            }
        ),
    }


def _tensors(name: str, lists: Ragged) -> dict[str, Tensor]:
    return {
        f"{name} items": torch.from_numpy(lists.values),
        f"{name} ends": torch.from_numpy(lists.offsets),
    }
