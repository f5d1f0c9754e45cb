"""Seconds and anonymous memory of the repair of semantic IDs: `python -m bench.repair`.

Repairs the codes that RQ-KMeans gives to embeddings of titles of Amazon Beauty 2014, and to a million items that
resemble them, where the data are there, and else to items of a mixture. Each repair runs in a process of its own, by
`bench.memory`; the time is that of reading, repairing and writing.
"""

import argparse
import json
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from bench import machine, memory
from bench.data import vectors_for
from semid.embeddings.store import EmbeddingStore, new_part, write_manifest
from semid.quantizers import RQKMeans, Tokenizer
from semid.semantic_ids.codes import write_codes

BEAUTY_ITEMS = 12_086
TRAINED_ON = 50_000


class Files(SimpleNamespace):
    """Inputs of the job by their names, as Snakemake gives them."""

    def get(self, name: str) -> Any:
        return getattr(self, name, None)


def repaired(folder: str, mode: str) -> Callable[[], object]:
    """Repair the codes in a folder that :func:`make_data` filled."""
    from semid.semantic_ids.repair.files import repair_catalogue

    root = Path(folder)
    files = Files(
        codes=[str(root / "codes.npy")],
        model=str(root / "tokenizer" / "model.safetensors"),
        manifest=str(root / "manifest.json"),
        catalogue=str(root / "items.parquet"),
    )
    paths = SimpleNamespace(codes=root / f"{mode}.npy", changes=root / f"{mode}.parquet", report=root / f"{mode}.json")
    return lambda: repair_catalogue(f"rqkmeans_4x256/repair-{mode}", files, paths, torch.get_num_threads())


def make_data(folder: Path, items: int, levels: int, k: int) -> str:
    """Write embeddings, a tokenizer of them, its codes and the item table, and return what the items are."""
    vectors, what = vectors_for(None, items)
    with new_part(folder / "part-00000-of-00001.npy", *vectors.shape, "float16") as part:
        part[:] = vectors
    write_manifest(folder / "manifest.json", [folder / "part-00000-of-00001.npy"], {"model": "bench"}, items)
    tokenizer = RQKMeans(num_levels=levels, codebook_size=k, kmeans_iters=10).fit(vectors[:TRAINED_ON])
    del vectors
    tokenizer.save_pretrained(folder / "tokenizer")
    store = EmbeddingStore.open(folder / "manifest.json")
    write_codes(folder / "codes.npy", Tokenizer.from_pretrained(folder / "tokenizer").encode(store), k)
    # ids in an order that says nothing of the codes
    numbers = np.random.default_rng(0).permutation(items)
    ids = pc.binary_join_element_wise("B", pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 9, "0"), "")
    pq.write_table(pa.table({"item_id": ids}), folder / "items.parquet")
    return what


def cpu_seconds() -> float:
    """Return the seconds that processors have worked for processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.repair", description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[BEAUTY_ITEMS, 1_000_000])
    parser.add_argument("--levels", type=int, default=4)
    parser.add_argument("--codes", type=int, default=256)
    parser.add_argument("--modes", nargs="+", default=["assign", "suffix"])
    parser.add_argument("--threads", type=int, default=machine.cores(), help="of the repair")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print("\n".join(machine.describe(arguments.threads)))
    for items in arguments.items:
        with tempfile.TemporaryDirectory() as name:
            print(f"\n{make_data(Path(name), items, arguments.levels, arguments.codes)}", flush=True)
            for mode in arguments.modes:
                run = {"run": "bench.repair:repaired", "folder": name, "mode": mode}
                before = cpu_seconds()
                row = memory.measure("job", arguments.threads, **run)
                report = json.loads((Path(name) / f"{mode}.json").read_text(encoding="utf-8"))
                total = row["anonymous_mb"] + row["imported_mb"]
                print(
                    f"{mode}: {row['seconds']:.2f} s ({cpu_seconds() - before:.1f} s of processors, with the import), "
                    f"{total:,.0f} MB ({row['anonymous_mb']:,.0f} MB beside what is "
                    f"imported), {report['items_sharing_before']:,} items shared {report['ids_shared_before']:,} IDs, "
                    f"{report['moved']:,} moved, {report['suffixed']:,} suffixed",
                    flush=True,
                )


if __name__ == "__main__":
    sys.exit(main())
