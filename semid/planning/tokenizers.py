"""Tokenizers of a run: their names, options, and the folders in which they are or will be."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from semid.errors import InputError
from semid.methods import GIVEN_CODES, METHODS, GivenCodes, Method
from semid.naming import TokenizerName, part_name
from semid.planning.config import Schema, resolved_options
from semid.planning.datasets import Datasets
from semid.planning.earlier import EarlierTokenizers

# this option names the tokenizer that training starts from, which the workflow makes first
INIT = "init"
# the value of that option for no such tokenizer: the training job begins with residual k-means
NO_START = "kmeans"
# the class that gives codewords to codes that no vectors made
EXTERNAL = "semid.quantizers.external:ExternalCodes"


class Tokenizers:
    """What the configuration says of tokenizers, for any well-formed name.

    `given` turns a path of the configuration into what a rule takes as input; `earlier` are the tokenizers that are
    loaded. Methods raise `InputError`, which names what is wrong, for malformed names, and for variants and codes that
    the configuration does not define.
    """

    def __init__(
        self,
        config: dict[str, Any],
        schema: Schema,
        datasets: Datasets,
        given: Callable[[Any], Any] = lambda path: path,
        source: Callable[[Any], Any] = lambda path: path,
    ) -> None:
        self._config, self._schema, self._datasets, self._given = config, schema, datasets, given
        self.earlier = EarlierTokenizers(datasets, given, source)
        self._options: dict[str, dict[str, Any]] = {}

    # names

    def method(self, tokenizer: str) -> Method | None:
        """The method of a name; None for codes that no vectors made."""
        return METHODS.get(TokenizerName.parse(tokenizer).method)

    def given_codes(self, tokenizer: str) -> GivenCodes | None:
        """What makes the codes of a name without vectors; None for a method."""
        return GIVEN_CODES.get(TokenizerName.parse(tokenizer).method)

    def is_flat(self, tokenizer: str) -> bool:
        """Whether a semantic ID of this name is a single token."""
        return TokenizerName.parse(tokenizer).is_flat

    def is_repaired(self, tokenizer: str) -> bool:
        """Whether a name means repaired codes."""
        return bool(TokenizerName.parse(tokenizer).repair)

    def of_run(self) -> list[str]:
        """Every tokenizer under `run:` with every seed; a name that carries its own seed is taken as it is."""
        names = []
        for name in self._config["run"]["tokenizers"]:
            parsed = TokenizerName.parse(name)
            seeds = self._config["run"]["seeds"]
            names += [name] if parsed.seed else [parsed.with_seed(seed).name for seed in seeds]
        return list(dict.fromkeys(names))

    def implementations(self, tokenizer: str) -> tuple[str, ...]:
        """Import strings of the class that holds the codebooks of this name."""
        method = self.method(tokenizer)
        return (EXTERNAL if method is None else method.implementation,)

    def implementations_of_run(self) -> list[str]:
        """Import strings of the classes that hold the codebooks of all tokenizers of the run."""
        return sorted({name for tokenizer in self.of_run() for name in self.implementations(tokenizer)})

    # options

    def options(self, tokenizer: str) -> dict[str, Any]:
        """All options of a tokenizer: the defaults, overruled by its method, its variant and its full name in turn."""
        if tokenizer not in self._options:
            name = TokenizerName.parse(tokenizer)
            self._options[tokenizer] = resolved_options(self._config, "tokenizers", self._schema, name)
        return self._options[tokenizer]

    def arguments(self, tokenizer: str) -> dict[str, Any]:
        """Arguments of the tokenizer's class, from its name and its options, that training depends on."""
        name = TokenizerName.parse(tokenizer)
        arguments: dict[str, Any] = {"codebook_size": name.codebook_size, "seed": name.seed}
        if not name.is_flat:
            arguments["num_levels"] = name.num_levels
        later = {INIT, *self._encode_options(name.method)}
        arguments |= {key: value for key, value in self.options(tokenizer).items() if key not in later}
        sizes = arguments.get("codebook_sizes")
        if sizes is not None and (len(sizes) != name.num_levels or max(sizes) != name.codebook_size):
            raise InputError(
                f"'{tokenizer}': codebook_sizes are {list(sizes)}, but the name says {name.num_levels} levels, the "
                f"largest of {name.codebook_size} codes"
            )
        return arguments

    def given_arguments(self, tokenizer: str) -> dict[str, Any]:
        """Arguments of the class that makes the codes of a name without vectors, from its name or its options."""
        name = TokenizerName.parse(tokenizer)
        form = GIVEN_CODES[name.method].form
        if form == "size":
            return {"num_levels": name.num_levels, "codebook_size": name.codebook_size, "seed": name.seed}
        return dict(self.options(tokenizer)) if form == "variant" else {}

    def encode_arguments(self, tokenizer: str) -> dict[str, Any]:
        """Arguments of the tokenizer's class that change how it encodes, and nothing that it learns."""
        options = self.options(tokenizer)
        return {name: options[name] for name in self._encode_options(TokenizerName.parse(tokenizer).method)}

    def _encode_options(self, method: str) -> list[str]:
        options: dict[str, Schema] = self._schema["$defs"].get(method, {}).get("properties", {})
        return [name for name, option in options.items() if option.get("stage") == "encode"]

    def settings(self, dataset: str, tokenizer: str) -> dict[str, Any]:
        """The settings that the manifest of a tokenizer records: how it is made, or where its codes come from."""
        name = TokenizerName.parse(tokenizer)
        if name.repair:
            return self.settings(dataset, name.native.name) | {"repair": name.repair}
        given = self.given_codes(tokenizer)
        if given:
            codes = self.external(dataset, tokenizer) if given.form == "name" else self.given_arguments(tokenizer)
            return {given.name: codes}
        settings = {"embeddings": self._datasets.embeddings(dataset), "shards": self._datasets.shards(dataset)}
        if folder := self.earlier.loaded_folder(dataset, tokenizer):
            return settings | {"load": folder}
        options = self.options(tokenizer)
        init = {INIT: options[INIT]} if INIT in options else {}
        aligned = self.earlier.aligned_folder(dataset, tokenizer)
        return (
            settings
            | ({"align": aligned} if aligned else {})
            | {
                "arguments": self.arguments(tokenizer) | self.encode_arguments(tokenizer) | init,
                "training_threads": self._config["compute"]["training_threads"],
            }
        )

    # files

    def model_files(self, dataset: str, tokenizer: str) -> dict[str, Any]:
        """`model` and `config` of the tokenizer that encodes: in the folder that is loaded, or trained here."""
        if self.earlier.loaded_folder(dataset, tokenizer):
            return self.earlier.model_files(dataset, tokenizer)
        folder = f"results/{dataset}/{TokenizerName.parse(tokenizer).native.name}"
        return {"model": f"{folder}/model.safetensors", "config": f"{folder}/config.json"}

    def start_files(self, dataset: str, tokenizer: str) -> dict[str, Any]:
        """`start`, the model of the same size and seed that training starts from; no file if there is none.

        A tokenizer that is loaded adds its config as `start_config`. One that is trained here adds none, because its
        config only says how it encodes.
        """
        name = self._start(tokenizer)
        if name is None:
            return {}
        sizes, sizes_of_start = (self.options(each).get("codebook_sizes") for each in (tokenizer, name))
        if sizes != sizes_of_start:
            raise InputError(
                f"'{tokenizer}' has the codebook_sizes {sizes or 'of its name'}, and starts from '{name}', which has "
                f"{sizes_of_start or 'those of its name'}: give both the same, or set init: kmeans"
            )
        files = self.model_files(dataset, name)
        is_loaded = self.earlier.loaded_folder(dataset, name)
        return {"start": files["model"], **({"start_config": files["config"]} if is_loaded else {})}

    def training_files(self, dataset: str, tokenizer: str) -> dict[str, Any]:
        """The files that training reads beside the items: its start, and the table to which it aligns its codes."""
        return self.start_files(dataset, tokenizer) | self.earlier.aligned_files(dataset, tokenizer)

    def training_digests(self, dataset: str, tokenizer: str) -> dict[str, str]:
        """SHA-256 of those files that were made by an earlier run, by their keys."""
        name = self._start(tokenizer)
        start = self.earlier.loaded_digests(dataset, name) if name else {}
        return start | self.earlier.aligned_digest(dataset, tokenizer)

    def _start(self, tokenizer: str) -> str | None:
        """The name of the tokenizer that training starts from."""
        init = self.options(tokenizer).get(INIT, NO_START)
        return None if init == NO_START else TokenizerName.parse(tokenizer).starts_from(init).name

    def code_parts(self, dataset: str, tokenizer: str) -> list[str]:
        """The parts of a tokenizer's codes, one a shard; repaired codes, which one job makes, are one part."""
        folder = f"{tokenizer}/codes"
        if TokenizerName.parse(tokenizer).repair:
            return [f"results/{dataset}/{folder}/{part_name(0, 1)}"]
        return self._datasets.parts(dataset, folder)

    def repaired_files(self, dataset: str, tokenizer: str) -> dict[str, Any]:
        """The files that the repair of a tokenizer's codes reads.

        A tokenizer that is loaded from a folder with codes of the same repair brings these, which stay: `pinned`.
        """
        codes = self.code_parts(dataset, TokenizerName.parse(tokenizer).native.name)
        model = self.model_files(dataset, tokenizer)
        return {"codes": codes, **model, **self.earlier.pinned_files(dataset, tokenizer)}

    def external(self, dataset: str, tokenizer: str) -> dict[str, Any]:
        """Where codes made elsewhere are: `external_<name>` is <name> under the dataset's `external:`."""
        name = TokenizerName.parse(tokenizer).variant
        known = self._datasets.options(dataset).get("external") or {}
        if name not in known:
            raise InputError(
                f"'{tokenizer}': dataset '{dataset}' names no codes '{name}' under `external:`; named: "
                f"{', '.join(known) or 'none'}"
            )
        codes: dict[str, Any] = known[name]
        return codes

    def given_files(self, dataset: str, tokenizer: str) -> dict[str, Any]:
        """The files of codes made elsewhere, by their keys; none for codes that are made here."""
        given = self.given_codes(tokenizer)
        if not given or given.form != "name":
            return {}
        return {key: self._given(path) for key, path in self.external(dataset, tokenizer).items()}

    def encoded_with(self, dataset: str, tokenizer: str) -> dict[str, Any]:
        """The files to which a manifest traces codes: tokenizer, embeddings and start, or codes made elsewhere."""
        if self.given_codes(tokenizer):
            return {"sources": list(self.given_files(dataset, tokenizer).values())}
        is_loaded = self.earlier.loaded_folder(dataset, tokenizer) is not None
        training = {} if is_loaded else self.training_files(dataset, TokenizerName.parse(tokenizer).native.name)
        return {
            **self.model_files(dataset, tokenizer),
            "embeddings": f"results/{dataset}/embeddings/manifest.json",
            "sources": [training[key] for key in ("start", "aligned") if key in training],
        }

    # targets

    def per_tokenizer(self, file: str) -> list[str]:
        """The paths of `file` for every tokenizer of the run, on every dataset of the run."""
        return [f"results/{d}/{t}/{file}" for d in self._config["run"]["datasets"] for t in self.of_run()]

    def comparisons_with_earlier(self) -> list[str]:
        """The tables of what changed against tokenizers that are loaded, and of those to which codes are aligned."""
        names = {TokenizerName.parse(name).native.name: None for name in self.of_run()}
        return [
            f"results/{dataset}/{name}/{table}.csv"
            for dataset in self._config["run"]["datasets"]
            for name in names
            for table, is_made in (
                ("drift", self.earlier.has_table(dataset, name)),
                ("churn", self.earlier.aligned_folder(dataset, name)),
            )
            if is_made
        ]

    def repaired_tables(self) -> list[str]:
        """The table of repaired codes of every tokenizer of the run, where `run: repair` asks for one.

        `assign` leaves out codes of one level, which it cannot repair, and names that are repaired already stay.
        """
        mode = self._config["run"]["repair"]
        if mode == "none":
            return []
        native = [name for name in map(TokenizerName.parse, self.of_run()) if not name.repair]
        names = [replace(name, repair=mode).name for name in native if mode != "assign" or name.num_levels != 1]
        datasets = self._config["run"]["datasets"]
        return [f"results/{dataset}/{name}/items.parquet" for dataset in datasets for name in names]

    def compared_for_cost(self, with_peers: bool) -> list[str]:
        """The tables from which results/pareto.csv is made: those of tokenizers and, where they are made, of peers."""
        names = [*self.of_run(), *(["peers"] if with_peers else [])]
        return [f"results/{d}/{name}/offline_eval.csv" for d in self._datasets.evaluated() for name in names]

    def evaluations(self, file: str) -> list[str]:
        """The paths of `file` for the controls and every tokenizer of the run, on every dataset with interactions."""
        datasets = self._datasets.evaluated()
        if not datasets:
            raise InputError(
                f"run: none of the datasets {', '.join(self._config['run']['datasets'])} has interactions, so there "
                "is nothing to evaluate; ask for results/tokenizers.csv, or for "
                "results/<dataset>/<tokenizer>/items.parquet"
            )
        names = ["controls", *self.of_run()]
        return [f"results/{dataset}/{name}/{file}" for dataset in datasets for name in names]
