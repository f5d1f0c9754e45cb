"""The written results of a run go in; one self-contained page comes out, `results/report.html`.

`page` puts it together. Each other module makes one part of it from tables: a figure, a table, or the explorer.
"""
