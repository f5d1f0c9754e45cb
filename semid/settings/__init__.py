"""Declarations of options come in; the schema of the configuration and its documentation go out.

An option of one class is declared in that class; `sections` has the others. `python -m semid.settings` writes
`schemas/config.schema.json` and the documentation of options; with `--check` it says whether they are up to date.
No job imports this package: the values of settings are parameters of jobs, and never part of their code.
"""
