"""Needs what rules/common.smk imports, once it is called; gives the words of a run: what is wrong with its input, the
table that it made, and what it lost on the way.
"""

import sys
import time
from pathlib import Path

import snakemake.rules
from snakemake.exceptions import InputFunctionException, WorkflowError

STARTED = time.time()


class WrongInput(WorkflowError):
    """What is wrong with the input of a run, for a user to mend: Snakemake finds no traceback in it to show."""

    # two modules of a workflow have two classes of this name
    is_for_users = True
    __traceback__ = property(lambda self: None, lambda self, traceback: None)


class WrongInputOfRule(InputFunctionException):
    """What Snakemake makes of an error in a function of wildcards; of wrong input it keeps the message alone."""

    def __init__(self, error, **where):
        is_for_users = isinstance(error, InputError) or getattr(error, "is_for_users", False)
        super().__init__(str(error) if is_for_users else error, **where)


snakemake.rules.InputFunctionException = WrongInputOfRule


def explained(question, *arguments, **named):
    """Call `question`; an InputError becomes WrongInput, which Snakemake shows without a traceback."""
    try:
        return question(*arguments, **named)
    except InputError as error:
        raise WrongInput(str(error)) from None


def print_table():
    """Show the tables of this run where they were made."""
    for log in (Path("logs/collect_evaluations.log"), Path("logs/collect_generators.log")):
        if log.is_file() and log.stat().st_mtime >= STARTED:
            print(log.read_text(encoding="utf-8").partition("\n\n")[0], file=sys.stderr)


def print_losses():
    """Say what was lost on the way of the datasets that this run worked on; nothing where nothing was lost."""
    losses = loss_report(config["datasets"], STARTED)
    if losses:
        print(losses, file=sys.stderr)
