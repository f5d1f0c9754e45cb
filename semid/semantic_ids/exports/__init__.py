"""Exports: a semantic-ID table comes in; the files that other systems read go out, one module a format.

`registry` lists the formats, and `format` says what an entry of it is; both import neither numpy nor torch. `export`
writes a folder in one of them; the other modules hold what formats share.
"""
