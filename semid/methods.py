"""The table of methods that make semantic IDs. Standard library only: Snakemake imports it while planning.

A new method is a module with its class and one line of `METHODS`. Names, rules and documentation follow from the line.
"""

from dataclasses import dataclass
from typing import Any, Literal

from semid.registries import load

# a rule follows the import string of its own method alone
__affects_results__ = False

# residual: a code a level, of what the levels before leave; flat: a single code; product: a code a sub-space
Kind = Literal["residual", "flat", "product"]


@dataclass(frozen=True)
class Method:
    """A method by the name that begins the names of its tokenizers.

    `implementation`: its class, as `module:name`; `keeps_history`: whether training leaves a table of its epochs;
    `description`: a few words for the documentation.
    """

    name: str
    kind: Kind
    implementation: str
    keeps_history: bool
    description: str

    @property
    def class_name(self) -> str:
        """The name of the class that `implementation` names."""
        return self.implementation.partition(":")[2]

    def load(self) -> Any:
        """Import and return the class of the method."""
        return load(self.implementation)


_METHODS = (
    Method("rqkmeans", "residual", "semid.quantizers.rqkmeans:RQKMeans", False, "k-means on the residuals"),
    Method("rqvae", "residual", "semid.quantizers.rqvae:RQVAE", True, "residual codebooks inside an autoencoder"),
    Method("vqvae", "flat", "semid.quantizers.vqvae:VQVAE", True, "one codebook inside an autoencoder"),
    Method("opq", "product", "semid.quantizers.opq:OPQ", False, "k-means in the sub-spaces of a learnt rotation"),
)
METHODS: dict[str, Method] = {method.name: method for method in _METHODS}
CLASSES: dict[str, Method] = {method.class_name: method for method in _METHODS}
