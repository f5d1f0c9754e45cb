"""Declarations of options come in; the schema of the configuration and its documentation go out.

An option of one class is declared in that class; `sections` has the others. `python -m semid.settings` writes
`schemas/config.schema.json` and what the documentation says of options; `--check` says whether they are up to date.
Nothing of a job imports this package: the values of settings are parameters of jobs, not their code.
"""
