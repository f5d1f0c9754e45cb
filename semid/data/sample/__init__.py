"""Settings of a sample come in; its reviews and item metadata go out, in the raw format of Amazon Reviews 2023.

The words are in vocabulary.toml. The sample exercises the code that real files go through; its numbers rank nothing.
"""

from semid.data.sample.generate import generate_sample

__all__ = ["generate_sample"]
