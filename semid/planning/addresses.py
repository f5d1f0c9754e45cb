"""Addresses of files elsewhere, such as s3://bucket/items.parquet, which Snakemake's storage plugins fetch."""

from urllib.parse import urlsplit

from semid.addresses import shown
from semid.errors import InputError


def is_address(path: str) -> bool:
    """Whether a path of the configuration is an address."""
    return "://" in path


def check_address(address: str, is_readable: bool) -> None:
    """Raise `InputError` for an address that names a user, or that no installed storage plugin reads."""
    host = urlsplit(address).netloc
    if "@" in host:
        raise InputError(
            f"an address at {host.rpartition('@')[2]} names a user, whom logs would show: leave it to the settings of "
            "the storage plugin (--storage-http-auth)"
        )
    if not is_readable:
        raise InputError(
            f"{shown(address)}: no storage plugin that is installed reads this address; install that of its kind, such "
            "as snakemake-storage-plugin-s3 (s3://) or snakemake-storage-plugin-http (https://), with pip or conda"
        )
