"""The tables of what makes semantic IDs. Standard library only: Snakemake imports it while planning.

A new method is a module with its class and one line of `METHODS`; a new kind of codes that no vectors made is a module
with its class and one entry of `GIVEN_CODES`. Names, rules and documentation follow from these.
"""

from dataclasses import dataclass
from typing import Any, Literal

from semid.registries import load

# a rule follows the import string of its own method alone
__affects_results__ = False

# residual: a code a level, of what the levels before leave; flat: a single code; product: a code a sub-space
Kind = Literal["residual", "flat", "product"]
# what follows the first word of a name: a size and a seed, a name of the user's own, or a variant of the options
Form = Literal["size", "name", "variant"]


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


@dataclass(frozen=True)
class GivenCodes:
    """Codes that no vectors made, by the word with which the names of their tokenizers begin.

    Nothing is trained and no vector is encoded: a job makes the codes of each shard of the items from what is known of
    these beside their vectors, and codewords are given to them afterwards, so that they are scored and evaluated like
    those of any method.

    form: what follows the word in a name. Where a size follows, it is that of every level. Where a variant may follow,
    the fields of the class are options under `tokenizers:`. Where a name of the user's follows, the dataset says under
    this word what it stands for.
    implementation: the class, as `module:name`; its `write(files, shard, shards, output)` writes the codes of a shard.
    verb: names the job and its log.
    has_own_sizes: whether each level has the size of its largest code, rather than all levels that of the largest.
    description: a few words for the grammar of names.
    not_encoded: why a vector has no such code, and what to do about it.
    not_loaded: why such codes do not stand under `load:`, and what to do instead.
    """

    name: str
    form: Form
    implementation: str
    verb: str
    has_own_sizes: bool
    description: str
    not_encoded: str
    not_loaded: str

    def load(self) -> Any:
        """Import and return the class that makes the codes."""
        return load(self.implementation)


_GIVEN_CODES = (
    GivenCodes(
        name="external",
        form="name",
        implementation="semid.semantic_ids.external:ImportedCodes",
        verb="import",
        has_own_sizes=False,
        description="codes made elsewhere, which the dataset names under `external:`",
        not_encoded=(
            "these codes were made elsewhere, and what made them is not here: the code of another item can only be "
            "guessed. Take it from whoever made the others, and import them all again"
        ),
        not_loaded="codes made elsewhere are not loaded but named under `external:`, those of all items",
    ),
    GivenCodes(
        name="random",
        form="size",
        implementation="semid.semantic_ids.dealt_codes:DealtCodes",
        verb="deal",
        has_own_sizes=False,
        description="L codes of K dealt to every item at random",
        not_encoded=(
            "these codes were dealt at random, and follow from the id of an item, not from its vector: ask for them by "
            "the same name in a dataset that has the item"
        ),
        not_loaded=(
            "codes dealt at random follow from the id of an item and the seed alone, so that those of a grown "
            "catalogue stay what they were without being loaded: leave the name out of `load:`"
        ),
    ),
    GivenCodes(
        name="category",
        form="variant",
        implementation="semid.semantic_ids.category_codes:CategoryCodes",
        verb="number",
        has_own_sizes=True,
        description="the path of an item's categories",
        not_encoded=(
            "these codes are paths of categories, and follow from the categories of an item, not from its vector: ask "
            "for them by the same name in a dataset that has the item"
        ),
        not_loaded=(
            "categories are numbered by how many items of the catalogue they have, so that their numbers in a grown "
            "catalogue are others: leave the name out of `load:`, and take the IDs of all items anew"
        ),
    ),
)
GIVEN_CODES: dict[str, GivenCodes] = {given.name: given for given in _GIVEN_CODES}
