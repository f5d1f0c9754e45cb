"""What one job of the workflow leaves beside its results: its log, its manifest, and the digest of its code.

Everything here is about how results are made and recorded, and no result depends on it.
"""

__affects_results__ = False
