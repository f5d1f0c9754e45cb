"""The one exception that speaks to a user."""


class InputError(ValueError):
    """Input that cannot be used: the message names the file, row or key, what was expected and what to do.

    Workflow jobs print the message alone; a traceback is kept for faults of the program.
    """
