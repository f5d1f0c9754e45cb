"""Make the page of a run from its tables, and from what lies beside them."""

from pathlib import Path

from semid.jobs.log import job_log
from semid.report.page import write_report

with job_log(snakemake.log[0]):
    output = Path(snakemake.output[0])
    tables = [Path(table).stem for table in snakemake.input.tables]
    write_report(output.parent, output, tables, snakemake.params.map)
