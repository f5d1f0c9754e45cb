"""Gives rules what marks their outputs for Snakemake's own report: `snakemake --report report.html` has them with the
captions in rules/captions.
"""

from semid.report.registry import FIGURES


def shown_figure(name):
    """Return the file of a figure of the run."""
    return report(
        f"results/figures/{name}.svg",
        caption=f"captions/{name}.rst",
        category="Figures",
        subcategory=FIGURES[name].category,
        labels={"figure": FIGURES[name].title},
    )


def shown_table(path, of="the run"):
    """Return the path of a table; of: whose table it is, which may name wildcards."""
    name = Path(path).stem
    return report(
        path,
        caption=f"captions/tables/{name}.rst",
        category="Tables",
        labels={"table": f"{name}.csv", "of": of},
    )
