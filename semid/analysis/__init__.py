"""Written tables and ranks of several tokenizers go in; what they say together comes out as tables.

Its modules are imported one by one: `proxies` needs SciPy, `comparisons` and `slices` need torch.
"""
