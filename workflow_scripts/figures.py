"""Draw the figures of a run from its tables, and from what lies beside them."""

from pathlib import Path

from semid.jobs.log import job_log
from semid.report.static.files import write_figures

with job_log(snakemake.log[0]):
    folder = Path(snakemake.output[0]).parent
    names = dict.fromkeys(Path(output).stem for output in snakemake.output)
    tables = [Path(table).stem for table in snakemake.input.tables]
    write_figures(folder.parent, folder, names, tables, snakemake.params.map)
