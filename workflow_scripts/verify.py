"""Check one official file, downloaded or put there by hand, against the table of the release."""

from semid.data.download import verify_file
from semid.data.sources.release import OfficialFile
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    verify_file(snakemake.input[0], OfficialFile(*snakemake.params.file), snakemake.output[0])
