"""Download one official file."""

from semid.data.download import DownloadSettings, download_file
from semid.data.sources.release import OfficialFile
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    settings = DownloadSettings(**snakemake.config["download"])
    download_file(OfficialFile(*snakemake.params.file), snakemake.output[0], settings)
