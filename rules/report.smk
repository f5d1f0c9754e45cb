"""Needs the tables of a run, the codes of its tokenizers and what these were made from; makes results/report.html and
results/figures/<name>.svg, .pdf and .csv.

Both also show what they find beside those: histories of trainings, slices of generators, and seconds of jobs in
benchmarks/. It is no reason to make any of them.
"""

from semid.planning import figures_of_run, tables_of_run

FIGURES_OF_RUN = figures_of_run(datasets, tokenizers, generators)


rule report:
    """Make the page of a run: what it found, at what cost, and what is inside of its codes."""
    input:
        **shown_files(),
    output:
        report(
            "results/report.html",
            caption="captions/page.rst",
            category="Page",
            labels={"page": "The run on one page"},
        ),
    log:
        "logs/report.log",
    conda:
        "../envs/report.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory(2000, 0.5),
        runtime=minutes(30, 10),
    params:
        map=config["report"]["map"],
        code=lambda wildcards: code("report.py", *explained(tokenizers.implementations_of_run)),
    script:
        "../workflow_scripts/report.py"


rule figures:
    """Draw the figures of a run, and write the values of each."""
    input:
        **shown_files(),
    output:
        *map(shown_figure, FIGURES_OF_RUN),
        *expand("results/figures/{name}.{kind}", name=FIGURES_OF_RUN, kind=("pdf", "csv")),
    log:
        "logs/figures.log",
    conda:
        "../envs/report.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory(2000, 0.5),
        runtime=minutes(30, 10),
    params:
        map=config["report"]["map"],
        code=lambda wildcards: code("figures.py", *explained(tokenizers.implementations_of_run)),
    script:
        "../workflow_scripts/figures.py"
