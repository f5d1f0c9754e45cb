"""Needs the evaluations and scorecards of all tokenizers of a run; makes
results/{offline_eval,pareto,slices,comparisons,proxies}.csv, and results/manifest.json with the first. Generators of the
run add to the last two.
"""


rule collect_evaluations:
    """Make one table of all evaluations, and the manifest of the run."""
    input:
        tables=lambda wildcards: explained(tokenizers.evaluations, "offline_eval.csv"),
        scorecards="results/tokenizers.csv",
        data=lambda wildcards: [f"data/{dataset}/manifest.json" for dataset in config["run"]["datasets"]],
        beside=described_files,
    output:
        table=shown_table("results/offline_eval.csv"),
        manifest="results/manifest.json",
    log:
        "logs/collect_evaluations.log",
    conda:
        "../envs/report.yaml"
    params:
        code=code("collect_evaluations.py"),
        stages=stages_of_run,
    script:
        "../workflow_scripts/collect_evaluations.py"


rule collect_pareto:
    """Say which tokenizers and peers nothing else beats for as few candidates, or as little time."""
    input:
        lambda wildcards: explained(tokenizers.compared_for_cost, with_peers=uses_faiss()),
    output:
        shown_table("results/pareto.csv"),
    log:
        "logs/collect_pareto.log",
    conda:
        "../envs/report.yaml"
    params:
        code=code("collect_pareto.py"),
    script:
        "../workflow_scripts/collect_pareto.py"


rule collect_slices:
    """Make one table of all slices of the queries."""
    input:
        lambda wildcards: explained(tokenizers.evaluations, "slices.csv"),
    output:
        shown_table("results/slices.csv"),
    log:
        "logs/collect_slices.log",
    conda:
        "../envs/report.yaml"
    params:
        code=code("collect_slices.py"),
    script:
        "../workflow_scripts/collect_slices.py"


rule compare:
    """Compare every pair of tokenizers on the same users of a dataset."""
    input:
        splits=asked(datasets.split_files),
        ranks=lambda wildcards: [
            f"results/{wildcards.dataset}/{name}/ranks.parquet" for name in explained(tokenizers.of_run)
        ],
    output:
        "results/{dataset}/comparisons.csv",
    log:
        "logs/{dataset}/compare.log",
    benchmark:
        "benchmarks/{dataset}/compare.tsv"
    conda:
        "../envs/torch.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory(2000, 3),
    params:
        code=code("compare.py"),
        settings=asked(datasets.evaluation, keys=(*QUERIES, "resamples", "permutations")),
        names=explained(tokenizers.of_run),
    script:
        "../workflow_scripts/compare.py"


rule collect_comparisons:
    """Make one table of all paired comparisons."""
    input:
        lambda wildcards: [
            f"results/{dataset}/{table}"
            for table in ("comparisons.csv", *["generator_comparisons.csv"] * explained(generators.is_run))
            for dataset in explained(datasets.evaluated)
        ],
    output:
        shown_table("results/comparisons.csv"),
    log:
        "logs/collect_comparisons.log",
    conda:
        "../envs/report.yaml"
    params:
        code=code("collect_comparisons.py"),
    script:
        "../workflow_scripts/collect_comparisons.py"


rule proxies:
    """Correlate every figure of the scorecards with recall."""
    input:
        scorecards="results/tokenizers.csv",
        evaluations="results/offline_eval.csv",
        generated=["results/generative_eval.csv"] if explained(generators.is_run) else [],
    output:
        shown_table("results/proxies.csv"),
    log:
        "logs/proxies.log",
    conda:
        "../envs/report.yaml"
    params:
        code=code("proxies.py"),
    script:
        "../workflow_scripts/proxies.py"
