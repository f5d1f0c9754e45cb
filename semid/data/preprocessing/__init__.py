"""A source comes in; items.parquet, train.parquet, valid.parquet, test.parquet and stats.json go out.

The steps are read, number, filter, split and write, in this order, each a module of that name; :mod:`pipeline` calls
one after the other. Raw files are read one by one by :mod:`part`, in one job or in many. Each step says which tables of
the database it makes, and which it replaces. Tables with text stay in DuckDB; the k-core alone loads integers into
numpy, a block at a time.
"""

from semid.data.preprocessing.filter import k_core
from semid.data.preprocessing.pipeline import Parts, preprocess, preprocess_parts, read_raw_file
from semid.data.preprocessing.settings import Outputs, PreprocessSettings
from semid.data.preprocessing.write import ITEMS_SCHEMA, SPLIT_SCHEMA

__all__ = [
    "ITEMS_SCHEMA",
    "SPLIT_SCHEMA",
    "Outputs",
    "Parts",
    "PreprocessSettings",
    "k_core",
    "preprocess",
    "preprocess_parts",
    "read_raw_file",
]
