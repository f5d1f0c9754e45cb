"""`tokenizers.csv`: one row per scorecard."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from semid.files import whole_file
from semid.scorecard.card import Scorecard, Structure, WrittenAs, field_markers, written_names

# One number per level; None where a level has none.
Levels = tuple[float | None, ...]


# These mark columns whose numbers may foretell how well a tokenizer of a dataset retrieves.
FIGURE = "a number"
LEVEL_FIGURE = "a number a level"


@dataclass(frozen=True)
class ScorecardRow:
    """A row of `tokenizers.csv`; its fields are the columns, in their order."""

    dataset: str
    tokenizer: str
    method: str
    variant: str
    num_levels: int
    codebook_size: int
    seed: int
    bits: Annotated[float, FIGURE]
    entropy_bits: Annotated[float, FIGURE]
    items: int
    train_items: int
    train_items_per_code: Annotated[float, FIGURE]
    distinct_codes: Annotated[int, FIGURE]
    unique_codes: Annotated[float, FIGURE]
    items_in_collisions: Annotated[int, FIGURE]
    items_in_collisions_identical: Annotated[int, FIGURE]
    largest_bucket: Annotated[int, FIGURE]
    reconstruction_error: Annotated[float | None, FIGURE]
    relative_error: Annotated[float | None, FIGURE]
    used_codes: Annotated[Levels, LEVEL_FIGURE]
    perplexity: Annotated[Levels, LEVEL_FIGURE]
    warnings: str
    note: str | None
    epoch_kept: int | None
    rollbacks: int | None
    gini: Annotated[Levels, LEVEL_FIGURE]
    category_level: int | None
    category_ami: Annotated[float | None, FIGURE]
    cosine_prefix_spearman: Annotated[float | None, FIGURE]
    neighbours_same_level1: Annotated[float | None, FIGURE]
    neighbours_same_code: Annotated[float | None, FIGURE]
    # This is no figure, since it is the same for all tokenizers of a dataset.
    embedding_hitrate_100: Annotated[float | None, WrittenAs("embedding_hitrate@100")]
    decoded_hitrate_100: Annotated[float | None, WrittenAs("decoded_hitrate@100"), FIGURE]
    cooccurrence: Annotated[Levels | None, LEVEL_FIGURE]
    cooccurrence_chance: Annotated[Levels | None, LEVEL_FIGURE]
    cooccurrence_lift: Annotated[Levels | None, LEVEL_FIGURE]

    @classmethod
    def of(cls, card: Scorecard) -> Self:
        """Return the row of a scorecard."""
        structure = card.structure or Structure()
        return cls(
            dataset=card.dataset,
            tokenizer=card.tokenizer,
            method=card.method,
            variant=card.variant,
            num_levels=card.num_levels,
            codebook_size=card.codebook_size,
            seed=card.seed,
            bits=card.bits,
            entropy_bits=card.entropy_bits,
            items=card.items,
            train_items=card.train_items,
            train_items_per_code=card.train_items_per_code,
            distinct_codes=card.distinct_codes,
            unique_codes=card.unique_codes,
            items_in_collisions=card.items_in_collisions,
            items_in_collisions_identical=card.items_in_collisions_identical,
            largest_bucket=card.largest_bucket,
            reconstruction_error=card.reconstruction.error if card.reconstruction else None,
            relative_error=card.reconstruction.relative_error if card.reconstruction else None,
            used_codes=tuple(level.used_codes for level in card.levels),
            perplexity=tuple(level.perplexity for level in card.levels),
            warnings=" ".join(card.warnings),
            note=card.note,
            epoch_kept=card.fit.get("epoch_kept"),
            rollbacks=card.fit.get("rollbacks"),
            gini=tuple(level.gini for level in card.levels),
            category_level=structure.category_level,
            category_ami=structure.category_ami,
            cosine_prefix_spearman=structure.cosine_prefix_spearman,
            neighbours_same_level1=structure.neighbours_same_level1,
            neighbours_same_code=structure.neighbours_same_code,
            embedding_hitrate_100=structure.embedding_hitrate_100,
            decoded_hitrate_100=structure.decoded_hitrate_100,
            cooccurrence=structure.cooccurrence,
            cooccurrence_chance=structure.cooccurrence and tuple(prefix.chance for prefix in card.prefixes),
            cooccurrence_lift=structure.cooccurrence_lift,
        )

    def cells(self) -> dict[str, Any]:
        """Return the cells by column; the numbers of levels are joined by `/`."""
        return {column: _cell(getattr(self, name)) for name, column in written_names(type(self)).items()}


def _columns(marker: str) -> tuple[str, ...]:
    """Return the columns with a marker, in their order."""
    markers = field_markers(ScorecardRow)
    return tuple(column for name, column in written_names(ScorecardRow).items() if marker in markers[name])


SCORECARD_COLUMNS = tuple(written_names(ScorecardRow).values())
SCALAR_FIGURES = _columns(FIGURE)
LEVEL_FIGURES = _columns(LEVEL_FIGURE)


def collect_scorecards(paths: Sequence[str | Path], output_csv: str | Path) -> None:
    """Write one row a scorecard, in the order given, to `output_csv`."""
    with whole_file(output_csv) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, SCORECARD_COLUMNS, lineterminator="\n")
        writer.writeheader()
        for path in paths:
            writer.writerow(ScorecardRow.of(Scorecard.read(path)).cells())


def _cell(value: Any) -> Any:
    """Return a value as it is written: reals have six significant digits, those of levels four; None is empty."""
    if isinstance(value, tuple):
        return "/".join("" if number is None else f"{number:.4g}" for number in value)
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value
