"""Codes, embeddings, items and the training split go in; a tokenizer's scorecard and the page of its codebook come out.

`semid.scorecard.structure` and `semid.scorecard.score` need SciPy and scikit-learn; import them where they are used.
"""

from semid.scorecard.card import LevelUsage, Reconstruction, Scorecard, SharedPrefix, Structure
from semid.scorecard.figures import ScoredTokenizer, scorecard
from semid.scorecard.page import codebook_page
from semid.scorecard.reconstruction import reconstruction_error
from semid.scorecard.table import SCORECARD_COLUMNS, ScorecardRow, collect_scorecards

__all__ = [
    "SCORECARD_COLUMNS",
    "LevelUsage",
    "Reconstruction",
    "Scorecard",
    "ScorecardRow",
    "ScoredTokenizer",
    "SharedPrefix",
    "Structure",
    "codebook_page",
    "collect_scorecards",
    "reconstruction_error",
    "scorecard",
]
