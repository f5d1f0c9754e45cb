"""Semantic IDs for generative recommenders: from a catalogue's items to discrete codes, and how far to trust them."""

__version__ = "0.1.0"
