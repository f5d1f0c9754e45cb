"""Generation of a sample: a catalogue of items, and reviews of users who wander over it."""

import logging
from pathlib import Path

from semid.data.sample.catalogue import draw_catalogue
from semid.data.sample.items import write_items
from semid.data.sample.reviews import write_reviews
from semid.data.sample.vocabulary import read_vocabulary
from semid.data.sources.sample import SampleSettings
from semid.files import whole_file

logger = logging.getLogger(__name__)


def generate_sample(settings: SampleSettings, reviews_path: str | Path, meta_path: str | Path) -> None:
    """Write the gzipped JSONL files of reviews and of item metadata, in blocks, whole or not at all.

    Users wander over the category tree with drifting tastes; a purchase is often close to the one before (same product
    type, then same brand), else drawn by popularity inside a category of the user's taste. Memory holds a few integers
    an item, and one block of users.
    """
    vocabulary = read_vocabulary()
    catalogue = draw_catalogue(settings, vocabulary)
    with whole_file(meta_path) as meta, whole_file(reviews_path) as reviews:
        write_items(settings, vocabulary, catalogue, meta)
        n_reviews = write_reviews(settings, vocabulary, catalogue, reviews)
    logger.info(
        "generated %s items, %s users, %s reviews", f"{settings.items:,}", f"{settings.users:,}", f"{n_reviews:,}"
    )
