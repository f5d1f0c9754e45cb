"""All sources of data as import strings, by the name that `source:` of a dataset takes."""

# The digest of a rule follows the import string of its own dataset's source alone.
__affects_results__ = False

SOURCES = {
    "sample": "semid.data.sources.sample:Sample",
    "amazon2023": "semid.data.sources.amazon2023:AmazonReviews2023",
    "table": "semid.data.sources.table:Table",
    "movielens": "semid.data.sources.movielens:MovieLens",
}
