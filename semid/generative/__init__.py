"""Generative recommenders: codes of items and histories come in, rankings of items go out."""
