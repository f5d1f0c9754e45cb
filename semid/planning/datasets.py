"""Datasets of a run: their options, raw files and shards, and the options on which each rule depends."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from semid.data.raw_files import RawFiles, missing_downloads, official_entry, raw_files
from semid.data.sources import SOURCES, Source, official_splits, source_from_config
from semid.errors import InputError
from semid.naming import part_name
from semid.planning.config import Schema, defaults_of
from semid.retrieval.strategies.registry import STRATEGIES, strategies_for_control
from semid.templates import columns_beside

SPLITS = ("train", "valid", "test")
# of raw files
KINDS = ("interactions", "items")
OWN_VECTORS = ("vectors", "ids", "table")
# keys of `preprocess:` that say how interactions become splits, where they are not split already
OF_SPLITTING = ("k_core", "repeats")
# keys that count for splits that are given only if these are official ones
OF_OFFICIAL_SPLITS = ("split", "catalogue")


class Datasets:
    """What the configuration says of datasets, by their name.

    `given` turns a path of the configuration into what a rule takes as input. Methods raise `InputError`, which names
    what is wrong, for a dataset that the configuration does not have.
    """

    def __init__(self, config: dict[str, Any], schema: Schema, given: Callable[[Any], Any] = lambda path: path) -> None:
        self._config, self._schema, self._given = config, schema, given
        self._sources: dict[str, Source] = {}
        self._raw: dict[str, RawFiles] = {}
        self._files: dict[tuple[str, str], list[Any]] = {}

    # options

    def names(self) -> list[str]:
        """The names of all datasets that the configuration has."""
        return list(self._config["datasets"])

    def options(self, dataset: str) -> dict[str, Any]:
        """The keys of a dataset."""
        known: dict[str, dict[str, Any]] = self._config["datasets"]
        if dataset not in known:
            raise InputError(
                f"dataset '{dataset}' is not under `datasets:` in the config, which has {', '.join(known)}"
            )
        return known[dataset]

    def section(self, dataset: str, section: str) -> dict[str, Any]:
        """A section of the configuration with what the dataset changes in it."""
        return {**self._config[section], **self.options(dataset).get(section, {})}

    def preprocess(self, dataset: str) -> dict[str, Any]:
        """The keys of `preprocess:` on which the tables of a dataset depend.

        Three kinds of key are left out: the limit at which reading stops; the seed, where nothing is shuffled; and how
        to filter and to split, where the interactions are split already or there are none. A catalogue that is not
        named is that of the source.
        """
        source = self.source(dataset)
        options = {"catalogue": source.catalogue, **self.section(dataset, "preprocess")}
        unused = {"max_malformed"} | ({"seed"} if options["ties"] != "shuffle" else set())
        if "splits" in self.raw(dataset).options or not source.has_interactions:
            unused |= {*OF_SPLITTING}
            # the name of an official split says what its files are
            unused |= set() if options["split"] in official_splits() else {*OF_OFFICIAL_SPLITS}
        if not source.has_interactions:
            unused |= {"ties", "seed"}
        texts = self.text_columns(dataset)
        return {key: value for key, value in options.items() if key not in unused} | (
            {"text_columns": texts} if texts else {}
        )

    def text_columns(self, dataset: str) -> list[str]:
        """The columns of the item files that only the template of an item's text names: `preprocess` keeps them."""
        template = self.embeddings(dataset).get("text")
        try:
            return list(columns_beside(template)) if template else []
        except InputError as error:
            raise InputError(f"dataset '{dataset}': {error}") from None

    def text_columns_of(self, dataset: str, kind: str) -> list[str]:
        """The columns that a job which reads a file of that `kind`, interactions or items, keeps as texts."""
        return self.text_columns(dataset) if kind == "items" else []

    def max_malformed(self, dataset: str) -> str:
        """The limit at which reading stops, as a text: it is a resource of the job, and no result depends on it."""
        return str(self.section(dataset, "preprocess")["max_malformed"])

    def embeddings(self, dataset: str) -> dict[str, Any]:
        """How items become vectors; a dataset's own `embeddings:` replace the general ones as a whole."""
        embeddings: dict[str, Any] = self.options(dataset).get("embeddings", self._config["embeddings"])
        return embeddings

    def evaluation(self, dataset: str, keys: Sequence[str], searched: str = "") -> dict[str, Any]:
        """The options among `keys` of `evaluation:` on which a job depends, and those that its strategies use.

        `decay` and `history` are left out unless the query is `decay`. `searched` says which codes the job searches:
        those of tokenizers (`candidates`), those of a control (`categories`), or none (empty).
        """
        options = self.section(dataset, "evaluation")
        unused = () if options["query"] == "decay" else ("decay", "history")
        used = [key for name in self._strategies(dataset, searched) for key in STRATEGIES[name].uses]
        return {key: options[key] for key in dict.fromkeys((*keys, *used)) if key not in unused}

    @cached_property
    def faiss(self) -> dict[str, Any]:
        """The options of the search index, `enabled` among them."""
        options = self._config["faiss"]
        return {**defaults_of(self._schema, "faiss"), **({"enabled": False} if options is False else options)}

    # what there is

    def source(self, dataset: str) -> Source:
        """The source of a dataset, as the configuration describes it."""
        if dataset not in self._sources:
            self._sources[dataset] = source_from_config(self.options(dataset))
        return self._sources[dataset]

    def raw(self, dataset: str) -> RawFiles:
        """The raw files of a dataset. Raises `InputError` for what its release does not have."""
        if dataset not in self._raw:
            split = self.section(dataset, "preprocess")["split"]
            self._raw[dataset] = raw_files(dataset, self.options(dataset), split, self._checksums)
        return self._raw[dataset]

    @property
    def _checksums(self) -> str | None:
        checksums: str | None = self._config["download"].get("checksums")
        return checksums

    def is_evaluated(self, dataset: str) -> bool:
        """Whether a dataset has interactions: with items and vectors alone there is nobody to evaluate on."""
        return self.source(dataset).has_interactions

    def evaluated(self) -> list[str]:
        """The datasets of the run that have interactions."""
        return [dataset for dataset in self._config["run"]["datasets"] if self.is_evaluated(dataset)]

    def is_generated(self, dataset: str) -> bool:
        """Whether a job generates the raw files of a dataset."""
        return self.raw(dataset).origin == "generated"

    def generated_from(self, source: str) -> list[str]:
        """The datasets of this source."""
        return [name for name, options in self._config["datasets"].items() if options["source"] == source]

    def note(self, dataset: str) -> str:
        """The note in every table of a dataset whose numbers rank nothing, such as the generated sample; else empty."""
        return self.source(dataset).note

    def fits_query(self, dataset: str) -> bool:
        """Whether the query is chosen on the validation split."""
        return bool(self.section(dataset, "evaluation")["query"] == "fit")

    def implementations(self, dataset: str) -> tuple[str, ...]:
        """Import strings of what reads a dataset's raw files."""
        return (SOURCES[self.options(dataset)["source"]],)

    def strategies(self, dataset: str, searched: str) -> list[tuple[str, int, tuple[str, ...]]]:
        """Name, fewest levels and controls of each strategy by which a job searches, as its registry has them."""
        names = self._strategies(dataset, searched)
        return [(name, STRATEGIES[name].min_levels, STRATEGIES[name].controls) for name in names]

    def strategy_implementations(self, dataset: str, searched: str = "candidates") -> tuple[str, ...]:
        """Import strings of the strategies by which a job searches; `searched` as in :meth:`evaluation`."""
        names = self._strategies(dataset, searched)
        return ("semid.retrieval.strategies.strategy:CandidateStrategy", *(STRATEGIES[name].find for name in names))

    def _strategies(self, dataset: str, searched: str) -> tuple[str, ...]:
        if searched == "candidates":
            return tuple(self.section(dataset, "evaluation")["candidates"])
        return strategies_for_control(searched)

    # files

    def fitted_query(self, dataset: str) -> str | list[str]:
        """The file of the fitted query, if the query is chosen on the validation split; else no file."""
        return f"results/{dataset}/query.json" if self.fits_query(dataset) else []

    def raw_file(self, dataset: str, kind: str, number: str) -> dict[str, Any]:
        """The file that a job of `read_raw` reads: the `number`-th, from 0, of the `kind` interactions or items.

        Raises `InputError` where the dataset has fewer.
        """
        files = self._files_of_kind(dataset, kind)
        if int(number) >= len(files):
            raise InputError(
                f"dataset '{dataset}' has no raw file {number} of {kind}: the number of these is {len(files)}, and the "
                "first is 00000"
            )
        return self.raw(dataset).input(files[int(number)], self._given)

    def read_files(self, dataset: str) -> dict[str, Any]:
        """The files that `preprocess` reads: of each raw file the rows that `read_raw` made of it.

        A dataset that names no items adds the ids of its vectors.
        """
        files = {
            f"{kind}_rows": [
                f"data/{dataset}/{kind}-{number:05d}.parquet"
                for number in range(len(self._files_of_kind(dataset, kind)))
            ]
            for kind in KINDS
        }
        return files | self.own_vectors(dataset) if self.catalogue_embeddings(dataset) else files

    def _files_of_kind(self, dataset: str, kind: str) -> list[Any]:
        # a folder of thousands of files is looked through once, and not by each of their jobs
        if (dataset, kind) not in self._files:
            self._files[dataset, kind] = self.raw(dataset).of_kind(kind)
        return self._files[dataset, kind]

    def catalogue_embeddings(self, dataset: str) -> dict[str, Any]:
        """The options of the embeddings whose ids are the catalogue; empty if the dataset names its items."""
        is_named = self.source(dataset).names_items or not self.own_vectors(dataset)
        return {} if is_named else self.options(dataset)["embeddings"]

    def own_vectors(self, dataset: str) -> dict[str, Any]:
        """The files of a dataset's own vectors, by `raw_` and their key."""
        options = self.options(dataset).get("embeddings", {})
        return {f"raw_{key}": self._given(options[key]) for key in OWN_VECTORS if key in options}

    def all_raw(self, dataset: str) -> list[Any]:
        """All files from which a dataset is made, its own vectors included."""
        files = self.raw(dataset).inputs(self._given) | self.own_vectors(dataset)
        return [path for paths in files.values() for path in ([paths] if isinstance(paths, str) else paths)]

    def source_options(self, dataset: str) -> dict[str, Any]:
        """The options of a dataset's source, which its manifest records."""
        return self.raw(dataset).options

    def generated_options(self, dataset: str) -> dict[str, Any]:
        """The options of a source whose raw files a job generates."""
        return {"source": self.options(dataset)["source"], **self.raw(dataset).recorded}

    def recorded(self, dataset: str) -> dict[str, Any]:
        """The settings that the manifest of a dataset records."""
        raw = self.raw(dataset)
        return {"source": raw.options, "preprocess": self.preprocess(dataset), **raw.recorded}

    def model_files(self, dataset: str) -> list[Any]:
        """The files of a text encoder in a local folder, so that other weights count as another input."""
        folder = Path(self.embeddings(dataset).get("model") or "")
        is_folder = folder.name and folder.is_dir()
        files = sorted(str(file) for file in folder.iterdir() if file.is_file()) if is_folder else []
        return [self._given(file) for file in files]

    def shards(self, dataset: str) -> int:
        """The number of jobs in which a dataset is embedded, and encoded."""
        shards: int = self.options(dataset)["shards"]
        return shards

    def parts(self, dataset: str, folder: str) -> list[str]:
        """The files in a folder of a dataset that holds one file for each shard."""
        shards = self.shards(dataset)
        return [f"results/{dataset}/{folder}/{part_name(shard, shards)}" for shard in range(shards)]

    def embedding_parts(self, dataset: str) -> list[str]:
        """The parts of a dataset's embeddings."""
        return self.parts(dataset, "embeddings")

    def split_files_if_any(self, dataset: str) -> list[str]:
        """The splits of a dataset in the order train, valid, test; no files if it has no interactions."""
        splits = SPLITS if self.is_evaluated(dataset) else ()
        return [f"data/{dataset}/{split}.parquet" for split in splits]

    def split_files(self, dataset: str) -> list[str]:
        """The splits of a dataset. Raises `InputError` where it has no interactions."""
        if not self.is_evaluated(dataset):
            raise InputError(f"dataset '{dataset}' has no interactions, so there is nothing to evaluate")
        return self.split_files_if_any(dataset)

    def query_split_files(self, dataset: str) -> list[str]:
        """The splits from which the query of a dataset is chosen: all but the test split."""
        return [f"data/{dataset}/{split}.parquet" for split in SPLITS if split != "test"]

    # downloads

    def missing_downloads(self, raw: Path) -> str:
        """A regular expression of the files that may be downloaded to `raw`, the folder data/raw/ of the run."""
        return missing_downloads(self._config["datasets"], raw, self._checksums)

    def official_file(self, official: str) -> list[Any]:
        """Path, SHA-256, size and home of the official file that `official` names below its dataset."""
        return list(official_entry(official, self._config["datasets"], self._checksums))
