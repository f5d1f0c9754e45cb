"""Options that belong to no single class: what a run makes, how a dataset differs, the search index, the hardware."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, MinLen

from semid.checks import Choices, FilePath, KeysOf, Pattern, doc, unique_items
from semid.semantic_ids.exports.registry import EXPORTS

# Snakemake would take braces for a wildcard
LocalFolder = Annotated[str, Pattern(r"^(?!.*://)[^{}]+$", "a folder of this machine, without braces")]


@dataclass(frozen=True)
class RunSettings:
    """What `results/offline_eval.csv` compares: every tokenizer on every dataset.

    Whatever is defined elsewhere in the configuration, and any well-formed tokenizer name, can also be asked for by its
    path without being listed here.
    """

    datasets: Annotated[tuple[str, ...], MinLen(1), unique_items, doc("Keys of `datasets:`.")]
    tokenizers: Annotated[
        tuple[str, ...],
        MinLen(1),
        unique_items,
        doc(
            "Names `<method>_<size>[-<variant>][-s<seed>]`, such as `rqkmeans_4x256`. A codebook must not have more "
            "codes than there are training items; with fewer than two items a code a warning says that codes follow "
            "single items. `external_<name>` stands for codes made elsewhere, which every dataset of the run has under "
            "`external:`, `random_<L>x<K>` for IDs dealt at random, and `category` for paths of categories. "
            "`rqkmeans_4x256/repair-assign` stands for the codes of `rqkmeans_4x256`, one item an ID."
        ),
    ]
    seeds: Annotated[
        tuple[Annotated[int, Ge(0)], ...],
        MinLen(1),
        unique_items,
        doc(
            "Every tokenizer above is trained once a seed; seed 1 appears as `rqkmeans_4x256-s1`. A name that carries "
            "a seed of its own stands as it is."
        ),
    ] = (0,)
    generators: Annotated[
        tuple[str, ...],
        unique_items,
        doc(
            "Generative recommenders that `results/generative_eval.csv` compares: `generator[-<variant>][-s<seed>]`, "
            "trained on the IDs of every tokenizer above, and `sasrec[-<variant>][-s<seed>]`, which knows no IDs, once "
            "a dataset. A name carries its own seed."
        ),
    ] = ()
    repair: Annotated[
        Literal["none", "assign", "suffix"],
        doc(
            "Also make codes of every tokenizer above of which no two items have the same: "
            "`results/<dataset>/<tokenizer>/repair-<assign or suffix>/items.parquet`. `assign` gives items that share "
            "their ID another last code, at the least added error; `suffix` gives all items a level more. Codes of one "
            "level, such as those of `vqvae`, can take a suffix only, and `assign` leaves them out."
        ),
    ] = "none"
    exports: Annotated[
        tuple[Annotated[str, Choices(EXPORTS)], ...],
        unique_items,
        doc(
            "Formats in which the IDs of every tokenizer above are written for other systems, to "
            "`results/<dataset>/<tokenizer>/exports/<format>/`; options are under `exports:`. A format that needs "
            "interactions is written for the datasets that have some."
        ),
    ] = ()


@dataclass(frozen=True)
class ExternalCodes:
    """Codes that were made elsewhere, to be scored and evaluated as the tokenizer `external_<name>`."""

    codes: Annotated[
        FilePath,
        doc(
            "The file: parquet or CSV with `item_id` (or OpenOneRec's `pid`) and the levels `c1`, `c2`, … or `c0`, "
            "`c1`, …, or one column `token`, `code_str` or `sid` of lists, or of texts such as `12-7-200` or "
            "`<a_12><b_7>`; or JSON such as the `index.json` of LC-Rec, LETTER and MiniOneRec, or `{id: [12, 7, "
            "200]}`. Every item needs a code, and a column that looks like codes and would not be read is an error."
        ),
    ]
    item2id: Annotated[
        FilePath | None,
        doc("Where the file numbers the items instead of naming them: a line with an id, a tab and a number an item."),
    ] = None


@dataclass(frozen=True)
class DatasetSettings:
    """Keys that a dataset of any source may have.

    It may also change any key of `preprocess:` and `evaluation:` for itself under the same name, and replace
    `embeddings:` as a whole.
    """

    shards: Annotated[
        int,
        Ge(1),
        doc("The number of jobs in which items are embedded, and encoded; more than one for big catalogues."),
    ] = 1
    load: Annotated[
        dict[str, LocalFolder] | None,
        doc(
            "`{name: folder}`: encode with the tokenizer in that folder instead of training one, which gives a grown "
            "catalogue frozen codes. The folder must hold a tokenizer of the size that the name says, trained on "
            "embeddings made in the same way. It is a source, as raw files are: it has to be there, and no run that "
            "loads it makes it anew. `drift.csv` beside the codes says whether new items suit it."
        ),
    ] = None
    align: Annotated[
        dict[str, LocalFolder] | None,
        doc(
            "`{name: folder}`: train this tokenizer, and number its codes so that as many items as possible keep those "
            "that the `items.parquet` of the folder gives them. `churn.csv` beside the codes says how many do."
        ),
    ] = None
    external: Annotated[
        dict[str, Annotated[Mapping[str, Any], KeysOf(ExternalCodes)]] | None,
        doc("`{name: {codes: file, item2id: file}}`: codes made elsewhere, as the tokenizer `external_<name>`."),
    ] = None


@dataclass(frozen=True)
class FaissSettings:
    """Search of the whole catalogue for the row `all`, and for the choice of the query.

    `faiss: false` searches by exact inner products, with the same numbers; so does a machine without FAISS.
    """

    enabled: Annotated[bool, doc("Whether to search by FAISS where it is installed.")] = True
    normalize: Annotated[
        bool,
        doc("Compare unit vectors (cosine). This changes nothing for embeddings that are normalized already."),
    ] = True
    factory: Annotated[
        str,
        MinLen(1),
        doc(
            "An index factory string of FAISS. `Flat` holds every vector in memory as float32 (1.5 GB a million of "
            "384); `SQfp16` halves that; one that is approximate (`IVF256,SQ8` or `IVF65536_HNSW32,PQ64np`) lowers "
            "`all`, and may choose another query where `query: fit` asks for one. `faiss: false` needs no memory for "
            "it and more time. The index is trained on a sample, filled by shard and merged: it is the same for any "
            "number of shards, except that a rotation in front (OPQ, PCA) rounds the last bits otherwise. What FAISS "
            "cannot merge (HNSW, NSG, RFlat) needs `shards: 1`. `np` after PQ leaves out minutes of training that this "
            "search makes no use of."
        ),
    ] = "Flat"
    on_disk: Annotated[
        bool,
        doc(
            "Keep the inverted lists of an IVF factory in `faiss/index.ivfdata`, beside `index.faiss`, and read from "
            "there what a search visits: neither building nor searching holds the index in memory then."
        ),
    ] = False


@dataclass(frozen=True)
class ComputeSettings:
    """Where and how fast to compute.

    `training_threads` changes what is learnt; another device, `embed_batch_size` or `compile_encoder` changes the last
    bits of the embeddings; the rest changes nothing.
    """

    device: Annotated[
        str,
        Pattern(r"^(auto|cpu|mps|cuda(:[0-9]+)?)$(?!\n)", "auto, cpu, mps or cuda (or cuda:1 and so on)"),
        doc("`auto` takes CUDA, else MPS, else the CPU; or `cpu`, `mps`, `cuda`, `cuda:1`."),
    ] = "auto"
    threads: Annotated[int, Ge(1), doc("Most threads of a job; `--cores` caps it.")] = 8
    training_threads: Annotated[
        int,
        Ge(1),
        doc(
            "Threads of training whatever `--cores`: another number gives other codes, for the same reason as another "
            "machine does."
        ),
    ] = 2
    embed_batch_size: Annotated[int, Ge(1), doc("Texts encoded at once.")] = 32
    compile_encoder: Annotated[
        bool,
        doc(
            "Use `torch.compile` for text encoders, which takes up to a minute a job first. It is meant for GPUs, "
            "where it needs Triton; a CPU, where it needs a C++ compiler, gains next to nothing by it."
        ),
    ] = False
    encode_batch_size: Annotated[int, Ge(1), doc("Rows that a tokenizer encodes at once.")] = 2048
    codeword_block: Annotated[int, Ge(1), doc("Codewords that are compared at once.")] = 1024
    duckdb_mb: Annotated[int, Ge(100), doc("Memory of DuckDB in `read_raw` and `preprocess`, in MB.")] = 1000
    container: Annotated[
        Annotated[str, Pattern(r"^[^\s{}]+$(?!\n)", "an image, without spaces and braces")] | None,
        doc(
            "The image in which `--sdm apptainer` runs jobs: a file (`semid.sif`), or an address that Apptainer reads "
            "(`docker://…`, `oras://…`). No image is published: the Dockerfile builds one "
            "([how](workflow.md#in-a-container)). Without `--sdm apptainer` nothing uses it."
        ),
    ] = None


@dataclass(frozen=True)
class ReportSettings:
    """The page of a run, `results/report.html`, and its figures."""

    map: Annotated[
        Literal["auto", "principal", "umap"],
        doc(
            "How the map of the items is laid out: along the two principal directions of their embeddings, or by UMAP, "
            "which needs `umap-learn` where the report is made. `auto` takes UMAP if it is installed; the page says "
            "which it was."
        ),
    ] = "auto"
