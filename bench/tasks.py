"""The tasks by name, for the worker, which imports the registry of its own task alone."""

from importlib import import_module

from bench.methods import Method

NAMES = ("encode", "kmeans", "training", "opq", "large", "memory")


def methods_of(task: str) -> list[Method]:
    """The methods of a task that times them."""
    return import_module(f"bench.{task}").METHODS
