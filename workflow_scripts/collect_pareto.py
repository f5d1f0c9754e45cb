"""Say which tokenizers and peers nothing else beats for as few candidates, or as little time."""

from semid.evaluation.pareto import PARETO_COLUMNS, pareto_rows
from semid.evaluation.table import read_table, write_table
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    rows = pareto_rows([row for path in snakemake.input for row in read_table(path)])
    write_table(rows, snakemake.output[0], PARETO_COLUMNS)
