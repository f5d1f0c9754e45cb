"""The command `semid`: what the library and the workflow do, for a shell.

`app` names the commands; every other module is one of them, or a part of one. A command imports what it needs when it
is called, so that `semid --help` is there at once.
"""


def main() -> None:
    """Run the command that the arguments name."""
    from semid.cli.app import run_app

    run_app()
