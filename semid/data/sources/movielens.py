"""The ratings of MovieLens (Harper and Konstan, 2015), as its files of the form ml-latest hold them."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from semid.checks import FilePath, doc
from semid.data.sources.source import CSV, InteractionFile, Source


@dataclass(frozen=True)
class MovieLens(Source):
    """Ratings and movies of a release of MovieLens of the form ml-latest, such as ml-latest-small or ml-32m.

    An item is a movie; its text is its title, and its categories are its genres. The files are yours to download, under
    the licence of GroupLens. Raises `InputError` for a key whose value cannot be used.
    """

    file_keys = MappingProxyType({"ratings": CSV, "movies": CSV})
    format = "MovieLens"
    columns = MappingProxyType({"user_id": "userId", "item_id": "movieId", "categories": "genres"})
    timestamp_unit = "seconds"
    categories_separator = "|"
    ignored_categories = ("(no genres listed)",)

    ratings: Annotated[
        FilePath, doc("`ratings.csv` or `ratings.csv.gz`, with userId, movieId, rating and timestamp (in seconds).")
    ]
    movies: Annotated[
        FilePath, doc("`movies.csv` or `movies.csv.gz`, with movieId, title and genres (separated by `|`).")
    ]

    def __post_init__(self) -> None:
        self.check("movielens")

    @property
    def interaction_files(self) -> tuple[InteractionFile, ...]:
        return (InteractionFile(Path(self.ratings), None),)

    @property
    def item_files(self) -> tuple[Path, ...]:
        return (Path(self.movies),)
