"""Figures of the page as files: their plain values go in; SVG, PDF and CSV come out.

`drawing.draw` makes one figure of the figures of datasets and `drawing.save` writes it; `files.write_figures` does both
for a whole run. `lines`, `rows`, `bars` and `places` draw one panel each.
"""
