"""Raw review, catalogue and split files come in; validated items, interactions and splits go out as parquet.

The generated sample is written as raw files in the format of Amazon Reviews 2023, which then go the same way.
`semid.data.sources` and `semid.data.raw_files` serve planning, and need neither DuckDB nor numpy: the names of this
package are imported on use.
"""

from typing import Any

from semid.registries import load_public

_PUBLIC = {
    "AmazonReviews2023": "semid.data.sources.amazon2023:AmazonReviews2023",
    "Outputs": "semid.data.preprocessing:Outputs",
    "Parts": "semid.data.preprocessing:Parts",
    "PreprocessSettings": "semid.data.preprocessing:PreprocessSettings",
    "SampleSettings": "semid.data.sources.sample:SampleSettings",
    "Source": "semid.data.sources:Source",
    "Table": "semid.data.sources.table:Table",
    "clean_text": "semid.data.text:clean_text",
    "generate_sample": "semid.data.sample:generate_sample",
    "preprocess": "semid.data.preprocessing:preprocess",
    "preprocess_parts": "semid.data.preprocessing:preprocess_parts",
    "read_raw_file": "semid.data.preprocessing:read_raw_file",
    "source_from_config": "semid.data.sources:source_from_config",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    return load_public(__name__, _PUBLIC, name)
