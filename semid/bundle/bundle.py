"""A catalogue's semantic IDs and the tokenizer that gave them."""

import tempfile
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from shutil import copyfile
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa

from semid.bundle.card import DescribedBundle, model_card
from semid.bundle.files import MODEL_CARD, TABLE, BundleFiles, check_replaceable
from semid.bundle.hub import REPO_ID, check_repo_id, download_bundle, upload_bundle
from semid.bundle.neighbours import Neighbour, nearest_rows
from semid.bundle.sorted_codes import SortedCodes, parse_pattern
from semid.bundle.texts import texts_of_items
from semid.embeddings.recorded import RecordedEncoder
from semid.errors import InputError
from semid.files import write_text
from semid.folders import whole_folder
from semid.quantizers import Compute, Decoder, Tokenizer, decoder_of_codes
from semid.quantizers.suffixed import SuffixedDecoder
from semid.scorecard.card import Scorecard
from semid.semantic_ids.code_table import read_code_table
from semid.semantic_ids.codes import bucket_sizes, code_strings
from semid.semantic_ids.repair.order import order_of_ids
from semid.semantic_ids.table import is_semantic_id_table, write_semantic_ids


class SemanticIDs:
    """The semantic IDs of n items, and the tokenizer that gave them: a bundle.

    ids["B000123"] is the ID of an item, such as `"12-7-200-3"`, and raises `KeyError` for an unknown one. `in` and
    `len` work on items. item_ids: large_string [n], in the order of the table; codes: integers [n, L], those of each;
    tokenizer: a :class:`semid.quantizers.Tokenizer`, or a :class:`semid.quantizers.Decoder` for codes that no
    tokenizer made. Repaired IDs may have a code more than the tokenizer has levels. Memory holds ids and codes, and
    about 16 bytes an item more once something is searched.
    """

    def __init__(self, files: BundleFiles) -> None:
        """Read a bundle. Raises `InputError` where its parts do not fit together."""
        self._files = files
        table = read_code_table(files.table)
        self.item_ids: pa.LargeStringArray = table.ids
        self.codes: np.ndarray = table.codes
        decoder = decoder_of_codes(files.model.parent, table.codes)
        for level, (size, largest) in enumerate(zip(decoder.sizes, self.codes.max(axis=0), strict=True), start=1):
            if largest >= size:
                raise InputError(
                    f"{files.table}: code {largest} of level {level} is none of the {size} of {files.model}: give the "
                    "table of the same tokenizer"
                )
        self.sizes: tuple[int, ...] = decoder.sizes
        self.tokenizer: Decoder = decoder.native if isinstance(decoder, SuffixedDecoder) else decoder
        self._encoders: dict[tuple[str | None, str, str], RecordedEncoder] = {}

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        revision: str | None = None,
        *,
        table: str | Path | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
    ) -> Self:
        """Read a bundle from a folder, or from the Hugging Face hub, where `source` is `owner/name`.

        A folder is a bundle, one that `semid fit` made, or one of the workflow: `results/<dataset>/<tokenizer>`, also
        with `/repair-assign`. `table` names other IDs of the same items by the same tokenizer, such as repaired ones.
        `revision` (a branch, tag or commit), `token`, `cache_dir` and `local_files_only` are those of huggingface_hub.
        Raises `InputError` for a source that is neither, and for files that are missing or do not fit together.
        """
        folder = Path(source).expanduser()
        if not folder.is_dir():
            if folder.exists() or not REPO_ID.fullmatch(str(source)):
                raise InputError(f"{source}: expected the folder of a bundle, or owner/name on the Hugging Face hub")
            folder = download_bundle(str(source), revision, token, cache_dir, local_files_only)
        elif revision is not None:
            raise InputError(f"{source} is a folder, which has no revision {revision!r}")
        return cls(BundleFiles.of(folder, table))

    @property
    def scorecard(self) -> Scorecard | None:
        """The figures of these IDs, where the bundle has them. Raises `InputError` for those of other IDs."""
        if self._files.scorecard is None:
            return None
        card = Scorecard.read(self._files.scorecard)
        distinct = len(bucket_sizes(self.codes))
        if (card.items, card.distinct_codes) != (len(self), distinct):
            raise InputError(
                f"{self._files.scorecard}: its figures are of {card.items} items with {card.distinct_codes} IDs, but "
                f"{self._files.table} has {len(self)} with {distinct}: score again, or remove it"
            )
        return card

    def __len__(self) -> int:
        return len(self.item_ids)

    def __contains__(self, item_id: object) -> bool:
        return self._find(item_id) is not None

    def __getitem__(self, item_id: str) -> str:
        return self.strings(self.codes[[self._row(item_id)]])[0]

    def __repr__(self) -> str:
        return f"SemanticIDs({len(self):,} items, {self.tokenizer!r})"

    def strings(self, codes: Any) -> list[str]:
        """Return codes, integers [m, L], as IDs, such as `"12-7-200-3"`."""
        ids: list[str] = code_strings(np.asarray(codes)).to_pylist()
        return ids

    def items(self, pattern: str) -> list[str]:
        """Return the items that have an ID, such as `12-7-200-3`, or that are under a prefix, such as `12-7-*`.

        They are in the order of their codes, and those of one ID in the order of the table. Raises `InputError` for a
        pattern that is neither.
        """
        codes = parse_pattern(pattern, self.codes.shape[1], self.strings(self.codes[:1])[0])
        rows = self._sorted_codes.rows(codes)
        names: list[str] = self.item_ids.take(pa.array(rows)).to_pylist()
        return names

    def like(self, item_id: str, k: int = 10) -> list[Neighbour]:
        """Return the k items nearest to an item, each with its distance, the nearest first.

        Distances are Euclidean, between the vectors that IDs decode to, so that items which share the ID come first, at
        distance 0. Of equal distances the item that is earlier in the table comes first. Raises `KeyError` for an
        unknown item.
        """
        if k < 1:
            raise InputError(f"k must be at least 1, got {k}")
        nearest = nearest_rows(self.tokenizer, self._sorted_codes, self._row(item_id), k)
        names = self.item_ids.take(pa.array(nearest.rows)).to_pylist()
        return [Neighbour(name, distance) for name, distance in zip(names, nearest.distances.tolist(), strict=True)]

    def encode(self, vectors: Any, device: str = "auto", progress: Callable[[int], object] | None = None) -> np.ndarray:
        """Return the codes [m, L] of vectors [m, dim], made and scaled as those that the tokenizer was trained on.

        IDs of the table do not change, and those of new items may be theirs: `semid repair --pinned` gives each of its
        own. `device` and `progress` are those of :meth:`semid.quantizers.Tokenizer.encode`. Raises `InputError` for
        vectors of another width, and where no tokenizer made the codes.
        """
        if not isinstance(self.tokenizer, Tokenizer):
            raise InputError(f"new items cannot be encoded: {self.tokenizer.no_encoder}")
        return self.tokenizer.encode(vectors, Compute(device), progress)

    def encode_text(
        self,
        texts: Sequence[str | Mapping[str, Any]],
        *,
        encoder: str | Path | None = None,
        dtype: Literal["float16", "float32"] = "float16",
        device: str = "auto",
    ) -> np.ndarray:
        """Return the codes [m, L] of new items, whose texts the recorded encoder turns into vectors.

        Each item is a row of the fields that the recorded template names, such as `{"title": "…", "store": "…"}`, or a
        text where the template names one field. encoder: the folder of the encoder, where it was a local one. dtype:
        that of the dataset's `embeddings`, in which the vectors of the items were stored. Raises `InputError` where the
        vectors were the user's own, for an encoder that is not there or another one, and for rows that lack a field.
        """
        space = self.tokenizer.metadata.get("embeddings")
        space = space if isinstance(space, dict) else {}
        key = (None if encoder is None else str(encoder), dtype, device)
        if key not in self._encoders:
            self._encoders[key] = RecordedEncoder(space, key[0], dtype, device)
        return self.encode(self._encoders[key].encode(texts_of_items(texts, space["text"])), device)

    def decode(self, codes: Any) -> np.ndarray:
        """Return the vectors float32 [m, dim] that codes stand for, integers [m, L] of the tokenizer or of the IDs."""
        codes = np.asarray(codes)
        is_longer = codes.ndim == 2 and codes.shape[1] == len(self.sizes) > self.tokenizer.num_levels
        return self.tokenizer.decode(codes[:, :-1] if is_longer else codes)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the bundle to a folder, whole or not at all.

        Tokenizer, scorecard and a table of IDs in our form are copied byte by byte. A bundle that is there is replaced;
        `InputError` is raised for a folder that holds anything else.
        """
        check_replaceable(folder)
        with whole_folder(folder, replace=True) as new:
            self._write(new)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | bool | None = None,
        commit_message: str = "Upload semantic IDs",
    ) -> str:
        """Put the bundle into a repository of the Hugging Face hub, in one commit, and return its address.

        `repo_id` is `owner/name`; the repository is made unless it is there, and then `private` says who sees it.
        `token` is that of huggingface_hub, by default the one that `hf auth login` stored. Raises `InputError` where
        huggingface_hub is missing, and for what the hub refuses.
        """
        check_repo_id(repo_id)
        with tempfile.TemporaryDirectory() as folder:
            self._write(Path(folder), repo_id)
            return upload_bundle(Path(folder), repo_id, private, token, commit_message)

    def _write(self, folder: Path, repo_id: str | None = None) -> None:
        described = DescribedBundle(
            self.tokenizer,
            self.codes,
            self.sizes,
            (self.item_ids[0].as_py(), self.strings(self.codes[:1])[0]),
            self.scorecard,
        )
        self._files.copy(folder)
        if is_semantic_id_table(self._files.table, self.codes.shape[1]):
            copyfile(self._files.table, folder / TABLE)
        else:
            write_semantic_ids(folder / TABLE, self.item_ids, self.codes)
        write_text(folder / MODEL_CARD, model_card(described, repo_id))

    @cached_property
    def _sorted_codes(self) -> SortedCodes:
        return SortedCodes(self.codes)

    @cached_property
    def _rows_by_id(self) -> np.ndarray:
        """int64 [n]: the rows in the order of the ids."""
        return order_of_ids(self.item_ids)

    def _find(self, item_id: object) -> int | None:
        """Return the row of an item, by binary search in the ordered ids; None for an unknown one."""
        if not isinstance(item_id, str):
            return None
        rows = self._rows_by_id
        # texts of Python and their bytes in UTF-8 have the same order
        place = bisect_left(rows, item_id, key=lambda row: self.item_ids[int(row)].as_py())
        row = int(rows[place]) if place < len(rows) else None
        return row if row is not None and self.item_ids[row].as_py() == item_id else None

    def _row(self, item_id: object) -> int:
        row = self._find(item_id)
        if row is None:
            raise KeyError(item_id)
        return row
