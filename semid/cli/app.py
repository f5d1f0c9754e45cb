"""The commands of `semid`, and how an error becomes one line."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from semid import __version__
from semid.errors import InputError

HELP = """Semantic IDs for generative recommenders.

Vectors to IDs:

- semid fit vectors.npy --ids ids.txt -o tok/

- semid encode tok/ new.npy --ids new-ids.txt -o new.parquet

A catalogue to numbers that say which IDs to trust:

- semid init purchases.parquet catalogue.csv

- semid run catalogue.yaml
"""

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps; auto takes the fastest there is.")]
Threads = Annotated[int, typer.Option(min=0, help="Threads of the CPU; 0 takes all cores.")]
Ids = Annotated[
    Path | None,
    typer.Option(help="The ids of the vectors of a .npy, one a vector: .txt, .csv, .npy, .json or .parquet."),
]
IdColumn = Annotated[str, typer.Option(help="Of a .parquet: the column of ids.")]
VectorColumn = Annotated[str, typer.Option(help="Of a .parquet: the column of vectors, a list of numbers in each row.")]
VECTORS = "Vectors: a .npy [vectors, width], or a .parquet with ids and vectors in two columns."


def run_app() -> None:
    """Run the command; what a user can mend ends it with status 1 and one line."""
    try:
        app(prog_name="semid")
    except (InputError, OSError) as error:
        print(f"semid: {error}", file=sys.stderr)
        sys.exit(1)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"semid {__version__}")
        raise typer.Exit


@app.callback(help=HELP)
def semid(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command()
def fit(
    vectors: Annotated[Path, typer.Argument(help=VECTORS)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to make.")],
    ids: Ids = None,
    method: Annotated[str, typer.Option(help="rqkmeans, rqvae, vqvae or opq.")] = "rqkmeans",
    levels: Annotated[int, typer.Option(min=1, help="Codes of an ID; a vqvae has one.")] = 4,
    codes: Annotated[int, typer.Option(min=1, help="Size of the codebook of a level.")] = 256,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="An option of the method, name=value, such as pca_dim=32; as often as needed."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same codes.")] = 0,
    id_column: IdColumn = "item_id",
    vector_column: VectorColumn = "embedding",
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Learn a tokenizer from vectors, and give every vector its ID.

    The folder holds the tokenizer (`model.safetensors`, `config.json`) and the IDs (`items.parquet`: `item_id`, a
    column for each level, and `code_str`). Without `--ids` the vectors of a .npy are called by their row, from 0 on.

    Which method? RQ-KMeans (`rqkmeans`) is fast and was the best at equal candidates on the data that was tried; the
    others are there to compare. All options of a method are in docs/reference/tokenizers.md.
    """
    from semid.cli.tokenize import GivenVectors, Method, Where, fit_folder

    source = GivenVectors(vectors, ids, id_column, vector_column)
    fit_folder(source, Method(method, levels, codes, seed, tuple(option or ())), output, Where(device, threads))


@app.command()
def encode(
    tokenizer: Annotated[Path, typer.Argument(help="The folder that `semid fit` made, or one of results/.")],
    vectors: Annotated[Path, typer.Argument(help=VECTORS)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .parquet to write.")],
    ids: Ids = None,
    id_column: IdColumn = "item_id",
    vector_column: VectorColumn = "embedding",
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Give IDs to vectors with a tokenizer that was learnt before.

    New items get IDs, and those that were given do not change.
    """
    from semid.cli.tokenize import GivenVectors, Where, encode_file

    encode_file(tokenizer, GivenVectors(vectors, ids, id_column, vector_column), output, Where(device, threads))


@app.command()
def run(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONFIG]... [TARGET]...",
            help="Configurations (.yaml), each over the one before, then files to be made; by default "
            "results/offline_eval.csv of the generated sample.",
        ),
    ] = None,
    cores: Annotated[str, typer.Option(help="Cores to use, or `all`.")] = "all",
    directory: Annotated[Path, typer.Option(help="Where data/ and results/ are.")] = Path(),
    profile: Annotated[Path | None, typer.Option(help="An execution profile, such as one for a cluster.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be done, and why.")] = False,
    conda: Annotated[bool, typer.Option(help="Let conda make the environments of jobs.")] = False,
    unlock: Annotated[bool, typer.Option(help="Remove the lock that a killed run left.")] = False,
    verbose: Annotated[bool, typer.Option(help="Show Snakemake's own words.")] = False,
) -> None:
    """Run the workflow: from a catalogue to IDs, and to the numbers that say which to trust.

    It shows a line for each job, and at the end what came out. What is finished stays: type the same command again
    after a crash or Ctrl-C. It is `snakemake --cores all --configfile CONFIG -- TARGET` of the workflow that came with
    semid, and ends with Snakemake's status.
    """
    from rich.console import Console

    from semid.cli.run import request_of, run_workflow

    further = ["--profile", str(profile)] if profile else []
    further += ["--sdm", "conda"] if conda else []
    further += ["--dry-run"] if dry_run else []
    further += ["--unlock"] if unlock else []
    request = request_of(
        words or [],
        cores=cores,
        directory=directory,
        further=tuple(further),
        verbose=verbose or dry_run or unlock,
    )
    raise typer.Exit(run_workflow(request, Console()))


@app.command()
def card(folder: Annotated[Path, typer.Argument(help="A folder of results/ with its scorecard.json.")]) -> None:
    """Say of a tokenizer how its codes are used, where items share an ID, and what the codes lose."""
    from semid.cli.card import show_card

    show_card(folder)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="The folder of the results of a run.")] = Path("results"),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The page to write; report.html in the folder by default.")
    ] = None,
    layout: Annotated[
        str, typer.Option("--map", help="How items are laid out on the map: auto, principal or umap.")
    ] = "auto",
    with_figures: Annotated[
        bool, typer.Option("--figures", help="Also draw the figures, beside the page: figures/NAME.svg, .pdf, .csv.")
    ] = False,
) -> None:
    """Make one page of a run: which tokenizer finds most, what differs, what it cost, and what is in the codes.

    The page opens in a browser and needs no network. It shows what there is: a run without an evaluation gives a page
    of its codes. The workflow makes `results/report.html` and `results/figures/` as part of `all`.
    """
    from semid.cli.report import write_page

    write_page(folder, output, layout, with_figures)


@app.command()
def doctor() -> None:
    """Say what is installed, what computes here, and what falls back to something slower."""
    from semid.cli.doctor import show_findings

    show_findings()


@app.command()
def init(
    interactions: Annotated[
        Path | None, typer.Argument(help="Who bought what, when: .parquet, .csv or .jsonl.")
    ] = None,
    items: Annotated[Path | None, typer.Argument(help="The catalogue: .parquet, .csv or .jsonl.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The configuration to write; else ITEMS with .yaml.")
    ] = None,
    example: Annotated[str | None, typer.Option(help="movielens: data to be downloaded, instead of yours.")] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="A mirror of the example, which has URL/ml-latest-small.zip.")
    ] = None,
) -> None:
    """Look at the files of a catalogue, and write a configuration that explains itself.

    It takes for sure only what it can check, and asks for the rest in comments: never the unit of a time.

    `semid init --example movielens` downloads MovieLens ml-latest-small (1 MB) to data/downloads/, verifies it, says on
    which terms GroupLens lets you use it, and writes movielens.yaml.
    """
    from semid.cli.example import set_up

    set_up(interactions, items, output, example, base_url)


@app.command()
def repair(
    table: Annotated[Path, typer.Argument(help="IDs: item_id with c1, c2, …, code_str or sid; .parquet or .csv.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to make.")],
    mode: Annotated[
        str, typer.Option(help="assign: another last code, as few as possible; suffix: a further code.")
    ] = "assign",
    vectors: Annotated[Path | None, typer.Option(help="A .npy, by which the nearest free codes are chosen.")] = None,
    ids: Annotated[Path | None, typer.Option(help="The ids of the vectors; without them a row each of TABLE.")] = None,
    tokenizer: Annotated[Path | None, typer.Option(help="The folder of the tokenizer whose IDs these are.")] = None,
    codes: Annotated[int | None, typer.Option(min=1, help="Size of a codebook, where no tokenizer says it.")] = None,
    pinned: Annotated[Path | None, typer.Option(help="IDs that were given out already, and stay.")] = None,
) -> None:
    """Give every item an ID of its own.

    The folder holds `items.parquet` (the IDs), `repair.parquet` (a row for each item with another ID) and `repair.json`
    (counts). Without vectors the smallest free codes are taken. In the workflow the same is
    `results/<dataset>/<tokenizer>/repair-assign/items.parquet`.
    """
    from semid.cli.ship import repair_ids

    repair_ids(table, output, mode, vectors, ids, tokenizer, codes, pinned)


@app.command()
def export(
    table: Annotated[Path, typer.Argument(help="IDs: item_id with c1, c2, …, code_str or sid; .parquet or .csv.")],
    format: Annotated[
        str, typer.Option("--format", help="lcrec, minionerec, openonerec, flashrec, sidinspector, grid or hf.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to make.")],
    items: Annotated[Path | None, typer.Option(help="Titles: item_id, title, description; .parquet or .csv.")] = None,
    interactions: Annotated[
        Path | None,
        typer.Option(help="The folder of a dataset's splits, or a table: user_id, item_id, timestamp."),
    ] = None,
    tokenizer: Annotated[Path | None, typer.Option(help="The folder of the tokenizer whose IDs these are.")] = None,
    option: Annotated[list[str] | None, typer.Option("--option", help="An option of the format, name=value.")] = None,
) -> None:
    """Write IDs in the format of another system: of language models, of serving, of audits.

    What each format holds and how its system takes it is in docs/reference/exports.md. In the workflow the same is
    `results/<dataset>/<tokenizer>/exports/<format>/manifest.json`.
    """
    from semid.cli.ship import export_ids

    export_ids(table, format, output, items, interactions, tokenizer, tuple(option or ()))


@app.command()
def bundle(
    folder: Annotated[Path, typer.Argument(help="The folder that `semid fit` made, or one of results/.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to make; a bundle there is replaced.")],
    table: Annotated[
        Path | None, typer.Option(help="Other IDs by the same tokenizer, such as repaired ones: .parquet or .csv.")
    ] = None,
    push_to_hub: Annotated[
        str | None,
        typer.Option(metavar="OWNER/NAME", help="Also upload it to this repository of the Hugging Face hub."),
    ] = None,
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Who sees a repository that this makes.")
    ] = None,
) -> None:
    """Put a tokenizer, its IDs and a model card into one folder, from which they can be used anywhere.

    `semid.SemanticIDs.from_pretrained` reads it: IDs of items, items of an ID or a prefix, similar items, and IDs of
    new items. The folder holds `model.safetensors`, `config.json`, `items.parquet`, `scorecard.json` where there is
    one, and `README.md`. Uploading needs `pip install 'semid[hub]'` and a token (`hf auth login`, or HF_TOKEN).
    """
    from semid.cli.bundle import write_bundle

    write_bundle(folder, output, table, push_to_hub, private)
