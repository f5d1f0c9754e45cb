"""The options of a generative recommender: its model, its training and its search."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from semid.checks import at_encode, check_options, doc
from semid.errors import InputError

# Options that say something of codes alone: a model that knows none has no use for them.
OF_CODES = (
    *("code_heads", "head_width", "decoding", "tied_output"),
    *("code_weight", "item_weight", "code_loss", "teaching", "label_smoothing", "beam", "beam_limit"),
)
# What the vectors of items may be made of without codes.
WITHOUT_CODES = ("free", "free-content")


@dataclass(frozen=True)
class GeneratorSettings:
    """What a generator is made of and how it learns. Raises InputError for a wrong value, or two that contradict."""

    items: Annotated[
        Literal["free+codes", "codes+content", "codes", "free", "free-content"],
        doc(
            "The vector of an item in a history. `free+codes`: one of its own, from random numbers, and those of its "
            "codes; the strongest. `codes+content`: those of its codes and its embedding, for catalogues that change "
            "daily and for items without interactions. `codes`: its ID alone. `free` and `free-content` know no codes, "
            "and begin with random numbers or with the embedding: SASRec."
        ),
    ] = "free+codes"
    dim: Annotated[int, Ge(2), doc("Width of the transformer.")] = 128
    layers: Annotated[int, Ge(1), doc("Layers of the transformer.")] = 2
    attention_heads: Annotated[int, Ge(1), doc("Heads of its attention; `dim` is a multiple of them.")] = 2
    history: Annotated[int, Ge(1), doc("Items at the end of a history that the model reads.")] = 50
    dropout: Annotated[float, Ge(0), Lt(1), doc("Share of activations that training leaves out.")] = 0.4
    code_heads: Annotated[
        Literal["search", "random"],
        doc(
            "How the heads that write codes begin: as the search for the nearest decoded vector, or with random "
            "numbers. Embeddings are needed for `search`."
        ),
    ] = "search"
    head_width: Annotated[int, Ge(1), doc("Width of the hidden layer of a code head.")] = 256
    decoding: Annotated[
        Literal["auto", "autoregressive", "parallel"],
        doc(
            "Whether the head of a level reads the codes before it (`autoregressive`) or the state alone (`parallel`). "
            "`auto` is parallel for codes of sub-spaces, such as those of `opq`, and autoregressive for all others."
        ),
    ] = "auto"
    tied_output: Annotated[
        bool,
        doc(
            "Heads that begin as a `search` compare with the vectors of codes that histories are read by, instead of "
            "learning codewords of their own."
        ),
    ] = False
    code_weight: Annotated[float, Ge(0), doc("Weight of the loss of the code heads; 0 leaves them out.")] = 1.0
    item_weight: Annotated[float, Ge(0), doc("Weight of the loss of the item head; 0 leaves it out.")] = 1.0
    code_loss: Annotated[
        Literal["all", "existing"],
        doc(
            "Among which codes a code head learns to choose: those that `existing` items have behind the codes before "
            "it, or `all` of its codebook, for a model that will write without the tree of existing IDs."
        ),
    ] = "existing"
    teaching: Annotated[
        float,
        Ge(0),
        Le(1),
        doc(
            "Share of the positions, drawn anew at every step, whose code heads learn what the item head says instead "
            "of the item that came: its softmax over all items, summed over the items under each code. 0 leaves it "
            "out, and with it the scores of all items; without `item_weight` nothing is taught."
        ),
    ] = 0.25
    label_smoothing: Annotated[float, Ge(0), Lt(1), doc("Of the code heads.")] = 0.1
    negatives: Annotated[int, Ge(1), doc("Items drawn uniformly for a step of the item head.")] = 1024
    sampling_correction: Annotated[
        bool,
        doc(
            "Whether the item head's loss subtracts from the score of each item the logarithm of how often a step has "
            "it. Without that, items that are often a target are pushed down as negatives of other users."
        ),
    ] = True
    batch_positions: Annotated[int, Ge(1), doc("Positions of histories that a step learns from.")] = 512
    epochs: Annotated[int, Ge(1), doc("Most passes over the training interactions.")] = 16
    patience: Annotated[
        int, Ge(1), doc("Training ends after so many measurements on the validation split without a better one.")
    ] = 4
    measure_every: Annotated[int, Ge(1), doc("Epochs between two measurements on the validation split.")] = 4
    learning_rate: Annotated[float, Gt(0), doc("Of AdamW, at its height.")] = 1e-3
    warmup_steps: Annotated[int, Ge(1), doc("Steps in which the learning rate rises.")] = 200
    weight_decay: Annotated[float, Ge(0), doc("Of matrices, but those of items and codes.")] = 0.0
    max_norm: Annotated[float, Gt(0), doc("Longer gradients are cut to this length.")] = 100.0
    beam: Annotated[
        int,
        Ge(1),
        at_encode,
        doc("Prefixes that the search keeps at every level. Training measures its epochs with the default."),
    ] = 50
    beam_limit: Annotated[
        Literal["as_given", "exact"],
        at_encode,
        doc(
            "`exact` searches again, with twice the beam, for users of whom it is not certain that the first ten items "
            "are those of the whole tree."
        ),
    ] = "as_given"
    validation_users: Annotated[
        int, Ge(0), doc("A sample of so many users is measured on the validation split; 0 takes all.")
    ] = 5000
    seed: Annotated[int, Ge(0), Le(2**53 - 1), doc("Of initial values, order, dropout and negatives.")] = 0

    def __post_init__(self) -> None:
        check_options(self, "generator")
        if self.dim % self.attention_heads:
            raise InputError(
                f"generator: dim must be a multiple of attention_heads ({self.attention_heads}), got {self.dim}"
            )
        if not self.code_weight and not self.item_weight:
            raise InputError("generator: code_weight and item_weight are both 0, so that nothing would be learnt")
        if self.tied_output and not (self.uses_codes and self.code_weight and self.code_heads == "search"):
            raise InputError(
                "generator: tied_output is for code heads that begin as a search, and for items with codes: it needs "
                "code_heads: search, a code_weight above 0, and items that know codes"
            )
        if self.code_weight and not self.uses_codes:
            raise InputError(f"generator: items {self.items} know no codes, so that code_weight must be 0")

    @property
    def uses_codes(self) -> bool:
        """Whether the model knows the codes of items."""
        return "codes" in self.items

    @property
    def uses_content(self) -> bool:
        """Whether the vectors of items begin with their embeddings."""
        return self.items in ("codes+content", "free-content")

    @property
    def needs_vectors(self) -> bool:
        """Whether the embeddings of items are needed: to be read, or for the places from which codes begin."""
        return self.uses_content or (self.uses_codes and self.code_heads == "search")
