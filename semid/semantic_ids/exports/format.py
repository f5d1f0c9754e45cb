"""What an export format is. Imports neither numpy nor torch: the settings and the rules read the registry."""

from dataclasses import dataclass
from typing import Any, Literal

from semid.errors import InputError
from semid.registries import load

# What a format reads beside the semantic-ID table.
Reads = Literal["items", "interactions"]


@dataclass(frozen=True)
class ExportFormat:
    """A format in which semantic IDs are handed to another system.

    implementation: the import string of a frozen dataclass whose fields are the options of the format, and whose
        `write(source, folder)` takes an :class:`ExportSource` and returns the counts that the manifest records.
    description: what the files are, and who reads them.
    needs: what the format cannot do without; it is refused where this is not given.
    uses: what the format takes where it is given, and does without where it is not.
    fewest_levels, most_levels: how many codes an ID may have.
    why_levels: why an ID may not have another number of codes, and what to do, as the end of a sentence.
    """

    implementation: str
    description: str
    needs: tuple[Reads, ...] = ()
    uses: tuple[Reads, ...] = ()
    fewest_levels: int = 1
    # letters name the levels
    most_levels: int = 26
    why_levels: str = "the letters a to z name the levels: use a tokenizer of fewer levels"

    @property
    def reads(self) -> tuple[Reads, ...]:
        """What the format reads beside the semantic-ID table, where there is any."""
        return (*self.needs, *self.uses)

    def load(self) -> Any:
        """Import and return the class of the format."""
        return load(self.implementation)

    def check_levels(self, num_levels: int, name: str) -> None:
        """Raise `InputError`, which says what to do, for IDs of a number of codes that the format does not take.

        `name` is that of the format.
        """
        if not self.fewest_levels <= num_levels <= self.most_levels:
            codes = "1 code" if num_levels == 1 else f"{num_levels} codes"
            raise InputError(f"exports: {name} does not take IDs of {codes}, since {self.why_levels}")
