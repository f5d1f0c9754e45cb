"""A process that has imported snakemake, and forks itself for every call of it that the tests ask for.

Importing takes longer than most plans. A call is still a process of its own, which runs the command line of snakemake
from its arguments to its exit status, in its own environment and directory. Calls come as lines of JSON on standard
input; the exit status of each goes to standard output. The end of the input ends the server.
"""

import gc
import json
import os
import sys
from typing import Any


def next_call() -> dict[str, Any]:
    """Serve calls: this returns in the fork that is to run one, and never in the server."""
    for line in sys.stdin:
        call = json.loads(line)
        process = os.fork()
        if process == 0:
            return call
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    sys.exit()


def become(call: dict[str, Any]) -> None:
    """Take what a process gets from the one that starts it."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(call["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(call["environment"])
    os.chdir(call["directory"])
    # as `python -m` has it
    sys.path[0] = call["directory"]
    sys.argv[1:] = call["arguments"]


if __name__ == "__main__":
    # of this project nothing: a call may be of a copy that was edited
    import jsonschema  # noqa: F401
    from snakemake import cli

    # imports every plugin
    cli.get_argument_parser()
    gc.freeze()
    become(next_call())
    cli.main()
