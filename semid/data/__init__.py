"""Raw review, catalogue and split files come in; validated items, interactions and splits go out as parquet.

The generated sample writes raw files in the Amazon Reviews 2023 format, which then go the same way.
"""

from semid.data.preprocess import Outputs, PreprocessSettings, preprocess
from semid.data.sample import SampleSettings, generate_sample
from semid.data.sources import AmazonReviews2023, Source, Table, source_from_config
from semid.data.text import clean_text

__all__ = [
    "AmazonReviews2023",
    "Outputs",
    "PreprocessSettings",
    "SampleSettings",
    "Source",
    "Table",
    "clean_text",
    "generate_sample",
    "preprocess",
    "source_from_config",
]
