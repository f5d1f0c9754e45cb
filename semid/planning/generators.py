"""Generative recommenders of a run: their names, options, and the files of which they are and will be made."""

from typing import Any

from semid.errors import InputError
from semid.generator_names import GeneratorName
from semid.planning.config import Schema, resolved_options
from semid.planning.datasets import Datasets
from semid.planning.tokenizers import Tokenizers

# What a model without codes is, whatever its options.
OF_FAMILY: dict[str, dict[str, Any]] = {"generator": {}, "sasrec": {"code_weight": 0}}
INDEX_FILES = ("codes.npy", "offsets.npy", "items.npy")


class Generators:
    """What the configuration says of generators, for any well-formed name.

    The tokenizer of a generator is its name, or empty for one that knows no IDs. Methods raise `InputError`, which
    names what is wrong, for malformed names, for variants that the configuration does not define, and for a generator
    without the tokenizer that it needs, or with one that it does not.
    """

    def __init__(self, config: dict[str, Any], schema: Schema, datasets: Datasets, tokenizers: Tokenizers) -> None:
        self._config, self._schema, self._datasets, self._tokenizers = config, schema, datasets, tokenizers

    # options

    def options(self, generator: str) -> dict[str, Any]:
        """All options of a generator: the defaults, overruled by its family, its variant and its full name in turn."""
        name = GeneratorName.parse(generator)
        options = resolved_options(self._config, "generators", self._schema, name)
        return options | OF_FAMILY[name.family]

    def arguments(self, generator: str) -> dict[str, Any]:
        """The options that training depends on, and the seed, which the name says."""
        later = self._search_options()
        options = {key: value for key, value in self.options(generator).items() if key not in later}
        return {**options, "seed": GeneratorName.parse(generator).seed}

    def search_arguments(self, generator: str) -> dict[str, Any]:
        """The options that change how a generator searches, and nothing that it learns."""
        later = self._search_options()
        return {key: value for key, value in self.options(generator).items() if key in later}

    def _search_options(self) -> set[str]:
        options: dict[str, Schema] = self._schema["$defs"]["generator"]["properties"]
        return {name for name, option in options.items() if option.get("stage") == "encode"}

    def needs_vectors(self, generator: str) -> bool:
        """Whether a model begins with the embeddings of items, or reads them, as its settings say it."""
        options = self.options(generator)
        return "content" in options["items"] or ("codes" in options["items"] and options["code_heads"] == "search")

    # files

    def training_files(self, dataset: str, tokenizer: str, generator: str) -> dict[str, Any]:
        """The files that the training of a generator reads: all splits but the test split, items, IDs and vectors."""
        self._check_place(dataset, tokenizer, generator)
        self._datasets.split_files(dataset)
        files: dict[str, Any] = {
            "splits": self._datasets.query_split_files(dataset),
            "catalogue": f"data/{dataset}/items.parquet",
        }
        if tokenizer:
            model = self._tokenizers.model_files(dataset, tokenizer)
            files |= {
                "index": [f"results/{dataset}/{tokenizer}/inverted/{name}" for name in INDEX_FILES],
                "tokenizer": model["model"],
                "tokenizer_config": model["config"],
            }
        if self.needs_vectors(generator):
            files |= {
                "parts": self._datasets.embedding_parts(dataset),
                "manifest": f"results/{dataset}/embeddings/manifest.json",
            }
        return files

    def evaluated_files(self, dataset: str, tokenizer: str, generator: str) -> dict[str, Any]:
        """The files that the evaluation of a generator reads, beside those of the generator itself."""
        return self.training_files(dataset, tokenizer, generator) | {"splits": self._datasets.split_files(dataset)}

    def _check_place(self, dataset: str, tokenizer: str, generator: str) -> None:
        if GeneratorName.parse(generator).needs_tokenizer == bool(tokenizer):
            return
        if tokenizer:
            raise InputError(f"'{generator}' knows no IDs: ask for results/{dataset}/{generator}/, without {tokenizer}")
        raise InputError(
            f"'{generator}' is trained on the IDs of a tokenizer: ask for results/{dataset}/<tokenizer>/{generator}/"
        )

    # targets

    def of_run(self) -> list[str]:
        """Every generator of the run on every tokenizer of the run, and once where it needs none.

        These are folders below the one of a dataset, such as `rqkmeans_4x256/generator` and `sasrec`.
        """
        names: dict[str, None] = {}
        for generator in self._config["run"]["generators"]:
            self.options(generator)
            needs_tokenizer = GeneratorName.parse(generator).needs_tokenizer
            folders = [f"{name}/{generator}" for name in self._tokenizers.of_run()] if needs_tokenizer else [generator]
            names |= dict.fromkeys(folders)
        return list(names)

    def is_run(self) -> bool:
        """Whether a run compares generators, and has users to compare them on."""
        return bool(self._config["run"]["generators"]) and bool(self._datasets.evaluated())

    def per_generator(self, file: str) -> list[str]:
        """The paths of `file` for every generator of the run, on every dataset with interactions."""
        if not self.is_run():
            reason = "no generators" if not self._config["run"]["generators"] else "no dataset with interactions"
            raise InputError(
                f"run: there are {reason}, so there is nothing to collect; name them under `run: generators:`, or ask "
                "for results/<dataset>/<tokenizer>/generator/generative_eval.csv"
            )
        return [f"results/{dataset}/{name}/{file}" for dataset in self._datasets.evaluated() for name in self.of_run()]

    def controls(self) -> list[str]:
        """The tables of the controls of every dataset with interactions."""
        return [f"results/{dataset}/controls/offline_eval.csv" for dataset in self._datasets.evaluated()]
