"""One item an ID: codes that several items share come in; repaired codes, and a report of what changed, go out."""

from semid.semantic_ids.repair.distinct import PinnedCodes, repair_codes
from semid.semantic_ids.repair.files import repair_catalogue
from semid.semantic_ids.repair.report import Changes, Repair, RepairReport
from semid.semantic_ids.repair.tables import repair_table

__all__ = [
    "Changes",
    "PinnedCodes",
    "Repair",
    "RepairReport",
    "repair_catalogue",
    "repair_codes",
    "repair_table",
]
