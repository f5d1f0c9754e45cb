"""`python -m semid.cli` is the command `semid`."""

from semid.cli import main

main()
