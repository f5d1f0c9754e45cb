"""Candidate strategies: codes and the histories of queries come in, the unseen items to rank come out.

`registry` lists the strategies, and `strategy` says what an entry of it is; both import neither numpy nor torch.
`candidates` holds what strategies share. Every other module is one strategy, of its name.
"""
