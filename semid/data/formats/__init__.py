"""A raw file comes in; SQL that reads it goes out, with each value by the name of our field.

The package relies on what was tried with DuckDB 2.0: `CREATE TABLE AS` and `INSERT … SELECT` from a file keep its order
(`rowid`) with any number of threads; `read_json(ignore_errors)` gives a row of NULLs for a malformed line and skips
blank lines; truncated gzip streams are errors.
"""

from semid.data.formats.opening import open_raw_file
from semid.data.formats.raw_file import RawFile, reading, refuse_twins

__all__ = ["RawFile", "open_raw_file", "reading", "refuse_twins"]
