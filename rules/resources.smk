"""Needs the config; gives rules the memory (MB), run time (minutes) and GPUs that their jobs ask of a batch system.

The figures are those of docs/scale.md with room to spare. They grow with the inputs, whose sizes
Snakemake takes when it submits a job (a plan shows <TBD> where they do not exist yet), and with every retry. No result
depends on them.
"""

from snakemake.iocontainers import InputFiles

# for jobs with a `device`; `auto` uses a GPU where there is one, and asks for none
GPUS = int(COMPUTE["device"].startswith("cuda"))


def container_image():
    """Return the image in which jobs run with `--sdm apptainer`, None for none; whoever asks for it must name one."""
    image = COMPUTE.get("container")
    if DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method:
        if image is None:
            raise WrongInput(
                "--sdm apptainer needs an image under `compute: container`, and none is named: docs/reference/workflow.md says "
                "how to build one"
            )
        if "://" not in image and not Path(image).exists():
            raise WrongInput(f"compute: container: {image} does not exist (relative paths start at {Path.cwd()})")
    return image


def size_mb(files):
    """Return the size of one or more inputs; a FileNotFoundError where one does not exist makes a plan show <TBD>."""
    files = [files] if isinstance(files, str) else files
    if any(file.is_storage for file in files):
        return InputFiles(toclone=files).size_mb
    # Snakemake's own sizes start an event loop for each question: a tenth of the time of a large plan
    return sum(os.path.getsize(file) for file in files) / 1024**2


def memory(base, share=0.0):
    """Return a function that gives mem_mb: `base` and a share of the size of the inputs, times the attempt."""
    return lambda wildcards, input, attempt: attempt * round(base + share * size_mb(input))


def memory_beside_items(base, share):
    """mem_mb: as `memory`, for jobs that read a column or two of the item table, whose size is left out."""
    return lambda wildcards, input, attempt: attempt * round(base + share * (size_mb(input) - size_mb(input.catalogue)))


def minutes(base, per_gb=0.0):
    """Return a function that gives the runtime: `base` and minutes for each GB of the inputs, times the attempt."""
    return lambda wildcards, input, attempt: attempt * round(base + per_gb * size_mb(input) / 1000)


def embedding_memory(wildcards, attempt):
    """Return mem_mb of a shard: the weights count twice, in the file and in use; all else is read in pieces."""
    weights = sum(Path(file).stat().st_size for file in datasets.model_files(wildcards.dataset)) / 1e6
    return attempt * round(3000 + 2 * weights)


def embedding_minutes(wildcards, input, attempt):
    """Return the runtime of a shard by a text encoder on two cores. A job that is ended keeps what it has done."""
    shards = datasets.shards(wildcards.dataset)
    return attempt * round(30 + 1.5 * size_mb(input.catalogue) / shards)


def runs_encoder(wildcards):
    """Whether a model embeds the texts: to read vectors and to hash words takes one thread, and no GPU."""
    return datasets.embeddings(wildcards.dataset).get("model", "hashing") != "hashing"


def embedding_threads(wildcards):
    """Return the threads of a shard."""
    return COMPUTE["threads"] if runs_encoder(wildcards) else 1


def embedding_gpus(wildcards):
    """Return the GPUs of a shard."""
    return GPUS if runs_encoder(wildcards) else 0


def training_mb(wildcards, input):
    """Return the most MB that training rows take as float32: of all rows, or of `max_train` with 1,024 values each."""
    max_train = tokenizers.arguments(wildcards.tokenizer)["max_train"]
    everything = 2 * size_mb(input.parts)
    return min(everything, max_train * 1024 * 4 / 1e6) if max_train else everything


def training_memory(wildcards, input, attempt):
    """Return mem_mb for the rows and for copies of them; with `max_train: 0` they lie in files, not in memory."""
    everything = tokenizers.arguments(wildcards.tokenizer)["max_train"] == 0
    return attempt * round(3000 + (0.5 if everything else 5) * training_mb(wildcards, input))


def training_minutes(wildcards, input, attempt):
    """Return the runtime for the epochs of an autoencoder. A job that is ended goes on after its last epoch."""
    return attempt * round(60 + 0.1 * training_mb(wildcards, input))


def generator_memory(wildcards, input, attempt):
    """Return mem_mb for the tables of a model, six times over, and for what is read; an item has 100 bytes or more."""
    width = generators.options(wildcards.generator)["dim"] / 128
    return attempt * round(
        2500 + 30 * width * size_mb(input.catalogue) + 4 * (size_mb(input) - size_mb(input.catalogue))
    )


def generator_minutes(wildcards, input, attempt):
    """Return the runtime for the epochs of a generator. A job that is ended goes on after its last epoch."""
    epochs = generators.options(wildcards.generator)["epochs"]
    return attempt * round(60 + 0.5 * epochs * size_mb(input.splits))


def evaluation_minutes(wildcards, input, attempt):
    """Return the runtime at 13 ms a query, on two cores and a million items; a row of a split takes about 30 bytes."""
    max_users = datasets.section(wildcards.dataset, "evaluation")["max_users"]
    queries_mb = size_mb(input.splits[-1])
    return attempt * round(60 + 10 * (min(queries_mb, max_users * 30 / 1e6) if max_users else queries_mb))
