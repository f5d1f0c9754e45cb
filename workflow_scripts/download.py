"""Download one official file."""

from semid.amazon2023 import OfficialFile
from semid.data.download import DownloadSettings, download_file
from semid.joblog import job_log

with job_log(snakemake.log[0]):
    settings = DownloadSettings(**snakemake.params.settings)
    download_file(OfficialFile(*snakemake.params.file), snakemake.output[0], settings)
