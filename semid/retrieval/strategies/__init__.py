"""Candidate strategies: codes and the histories of queries come in, the unseen items to rank come out.

`registry` lists them and imports neither numpy nor torch. Every other module is one strategy, but for `candidates`,
which holds what they share.
"""
