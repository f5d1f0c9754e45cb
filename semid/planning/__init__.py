"""What the rules ask while Snakemake plans: the configuration comes in; options, files and addresses go out.

Imported at every planning, so it needs little: the standard library, jsonschema, annotated-types and the registries.
"""

from semid.planning.addresses import check_address, is_address
from semid.planning.config import prepare_config, read_schema
from semid.planning.datasets import Datasets
from semid.planning.tokenizers import Tokenizers

__all__ = ["Datasets", "Tokenizers", "check_address", "is_address", "prepare_config", "read_schema"]
