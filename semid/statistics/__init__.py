"""Statistics that several rooms share: arrays go in, numbers come out. `bootstrap` needs torch, `entropy` does not."""
