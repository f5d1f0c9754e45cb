"""Needs the config; gives every rules file `datasets`, `tokenizers` and `generators`, which resolve it, and ways to ask them."""

import importlib.util
import inspect
import os
import re
import sys
from functools import cache
from pathlib import Path

import yaml
from snakemake.common.configfile import load_configfile
from snakemake.settings.types import DeploymentMethod
from snakemake.utils import update_config
from snakemake_interface_storage_plugins.registry import StoragePluginRegistry

ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
# in a wheel the workflow is inside of the package, which is installed then
if ROOT.name != "_workflow":
    if not (ROOT / "semid").is_dir():
        raise WrongInput(
            f"{ROOT}: the rules need the package semid beside them, and an address brings only the rules: clone the "
            "repository and name its Snakefile by path"
        )
    sys.path.insert(0, str(ROOT))

from semid.data.raw_files import generated_files
from semid.data.sources import SOURCES
from semid.jobs.digests import code_digest
from semid.errors import InputError
from semid.methods import GIVEN_CODES, METHODS
from semid.naming import REPAIR_FOLDER, RESERVED, name_pattern
from semid.planning import (
    FOLDERS,
    Datasets,
    Generators,
    Tokenizers,
    check_address,
    folder_refusal,
    is_address,
    loss_report,
    prepare_config,
    read_schema,
    with_search_switched_off,
)

# threads that wait spin for a moment: much longer, and others who use the machine stop them; not at all, and each waits
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ |= {"GOMP_SPINCOUNT": "3000", "KMP_BLOCKTIME": "0"} | os.environ
# Snakemake inspects the signature of every function of wildcards thousands of times: a ready one is found at once
SIGNATURE = inspect.signature(lambda wildcards: None)


def asked(question, **fixed):
    """Return a function of wildcards, for inputs and params: it calls `question`, whose parameters name wildcards."""
    parameters = inspect.signature(question).parameters
    names = [name for name, one in parameters.items() if name not in fixed and one.default is one.empty]

    def answer(wildcards):
        return explained(question, **{name: wildcards[name] for name in names}, **fixed)

    answer.__signature__ = SIGNATURE
    return answer


def given(paths):
    """Return a path that the config names, or a list of them, as an input of a rule.

    It starts at the working directory whatever prefix a module has. An address is fetched by one of Snakemake's storage
    plugins.
    """
    if not isinstance(paths, str):
        return [given(path) for path in paths]
    if not is_address(paths):
        return local(paths)
    plugins = StoragePluginRegistry().plugins.values()
    explained(check_address, paths, any(plugin.storage_provider.is_valid_query(paths) for plugin in plugins))
    return storage(paths)


@cache
def code(script, *implementations):
    """Return the digest of the code that a script runs: as a param it makes an edit of that code rerun the rule."""
    return code_digest(ROOT / "workflow_scripts" / script, *implementations)


def code_of(script, *questions):
    """Return `code` as a function of wildcards: each question gives import strings of what the script runs for them."""
    answers = [asked(question) for question in questions]

    def digest(wildcards):
        return code(script, *(name for answer in answers for name in answer(wildcards)))

    digest.__signature__ = SIGNATURE
    return digest


layers = [yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))]
if workflow.modifier.is_main_snakefile():
    layers += [*map(load_configfile, workflow.overwrite_configfiles), workflow.config_settings.config]
else:
    # Snakemake does not read config.yaml for a module that is given a config
    layers.append(config)
    config = {}
    for layer in layers:
        update_config(config, layer)
with_search_switched_off(config, layers)
SCHEMA = read_schema(ROOT / "schemas" / "config.schema.json")
explained(prepare_config, config, SCHEMA)
COMPUTE = config["compute"]
datasets = Datasets(config, SCHEMA, given)
# the time of what an earlier run made does not count: its digest is a param
tokenizers = Tokenizers(config, SCHEMA, datasets, given, lambda path: ancient(given(path)))
generators = Generators(config, SCHEMA, datasets, tokenizers)


def uses_faiss():
    """Whether FAISS is wanted and can be used: installed here, or in the rule's conda environment or container."""
    elsewhere = any(way != DeploymentMethod.ENV_MODULES for way in workflow.deployment_settings.deployment_method)
    return bool(datasets.faiss["enabled"] and (elsewhere or importlib.util.find_spec("faiss")))
