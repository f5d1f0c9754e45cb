"""What the rules ask while Snakemake plans: the configuration comes in; options, files and addresses go out.

Imported at every planning, so it needs little: the standard library, jsonschema, annotated-types and the registries.
"""

from semid.planning.addresses import check_address, is_address
from semid.planning.config import prepare_config, read_schema, with_search_switched_off
from semid.planning.datasets import Datasets
from semid.planning.exports import Exports
from semid.planning.folders import FOLDERS, folder_refusal
from semid.planning.generators import Generators
from semid.planning.losses import loss_report
from semid.planning.report import figures_of_run, tables_of_run
from semid.planning.tokenizers import Tokenizers

__all__ = [
    "FOLDERS",
    "Datasets",
    "Exports",
    "Generators",
    "Tokenizers",
    "check_address",
    "figures_of_run",
    "folder_refusal",
    "is_address",
    "loss_report",
    "prepare_config",
    "read_schema",
    "tables_of_run",
    "with_search_switched_off",
]
