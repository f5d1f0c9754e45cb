"""Where the workflow is: in a checkout, beside the package, or inside of the package that was installed."""

from pathlib import Path

from semid.errors import InputError

PACKAGE = Path(__file__).parents[1]
INSTALLED = PACKAGE / "_workflow"
# The folder of the logger that tells `semid run` what jobs do.
LOGGER = Path(__file__).parent / "snakemake_plugin"


def workflow_folder() -> Path:
    """Return the folder of the Snakefile: that of a checkout, where semid is part of one.

    Raises `InputError` where neither is there.
    """
    checkout = PACKAGE.parent
    if (checkout / "Snakefile").is_file() and (checkout / "rules").is_dir():
        return checkout
    if (INSTALLED / "Snakefile").is_file():
        return INSTALLED
    raise InputError(f"{PACKAGE} came without its workflow: install semid from its wheel, or work in a checkout")
