"""Exports of a run: their options, the files of which they are made, and which a run makes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from semid.errors import InputError
from semid.naming import TokenizerName
from semid.planning.datasets import Datasets
from semid.planning.tokenizers import Tokenizers
from semid.semantic_ids.exports.added_tokens import tokenizer_files
from semid.semantic_ids.exports.registry import EXPORTS, export_named


class Exports:
    """What the configuration says of exports, for any format of the registry.

    `given` turns a path of the configuration into what a rule takes as input. Methods raise `InputError`, which says
    what to do, for a format that a dataset or a tokenizer cannot be written in.
    """

    def __init__(
        self,
        config: dict[str, Any],
        datasets: Datasets,
        tokenizers: Tokenizers,
        given: Callable[[Any], Any] = lambda path: path,
    ) -> None:
        self._config, self._datasets, self._tokenizers, self._given = config, datasets, tokenizers, given

    def options(self, format: str) -> dict[str, Any]:
        """The options of a format, those that the configuration does not name included."""
        options: dict[str, Any] = self._config["exports"][format]
        return options

    def files(self, dataset: str, tokenizer: str, format: str) -> dict[str, Any]:
        """The files from which IDs are exported: the table, and what the format reads where there is any."""
        export = export_named(format)
        if "interactions" in export.needs and not self._datasets.is_evaluated(dataset):
            raise InputError(
                f"dataset '{dataset}' has no interactions, which the export {format} needs: take one of "
                f"{', '.join(name for name, other in EXPORTS.items() if 'interactions' not in other.needs)}"
            )
        name = TokenizerName.parse(tokenizer)
        # the name of codes made elsewhere does not say how many there are
        if name.num_levels:
            export.check_levels(name.num_levels + (name.repair == "suffix"), format)
        files: dict[str, Any] = {
            "table": f"results/{dataset}/{tokenizer}/items.parquet",
            "config": self._tokenizers.model_files(dataset, tokenizer)["config"],
        }
        if "items" in export.reads:
            files["catalogue"] = f"data/{dataset}/items.parquet"
        if "interactions" in export.reads:
            files["splits"] = self._datasets.split_files_if_any(dataset)
        folder = self.options(format).get("tokenizer")
        if folder is not None:
            # another tokenizer counts as another input
            files["base"] = [self._given(str(file)) for file in tokenizer_files(Path(folder))]
        return files

    def of_run(self) -> list[str]:
        """The manifests of the exports of the run; one that needs interactions takes the datasets that have some."""
        manifests = []
        for format in self._config["run"]["exports"]:
            needs_users = "interactions" in export_named(format).needs
            datasets = self._datasets.evaluated() if needs_users else self._config["run"]["datasets"]
            if not datasets:
                raise InputError(
                    f"run: the export {format} needs interactions, and none of the datasets "
                    f"{', '.join(self._config['run']['datasets'])} has any: leave it out of `exports:`"
                )
            names = self._tokenizers.of_run()
            manifests += [f"results/{d}/{name}/exports/{format}/manifest.json" for d in datasets for name in names]
        return manifests
