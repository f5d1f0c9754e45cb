"""Step 2: users and items get numbers in the order of their ids.

Makes users(user_id) and items(item_id, listing, known), whose `rowid` is the number, and
numbered_interactions(user_number, item_number, timestamp, rating, source_row, split), which replaces raw_interactions.
"""

from typing import NamedTuple

from semid.data.connection import Database
from semid.data.sources.source import Source


class Numbering(NamedTuple):
    """Whether there is a list of items, against which interactions are held; and rows of items dropped by reason."""

    has_item_list: bool
    dropped: dict[str, int]


def number_users_and_items(database: Database, source: Source) -> Numbering:
    """Give users and items integers; choose the listing that describes an item, the first that has a title.

    `listing` is a rowid of raw_items, NULL for an item without one; `known` is false for an item that the item files
    lack, where there are any.
    """
    has_item_list = database.count("raw_items WHERE dropped IS NULL") > 0
    # Listings without a title are numbered behind all others.
    behind = 1 << 60
    listing = f"rowid + CASE WHEN coalesce(trim(title), '') = '' THEN {behind} ELSE 0 END"
    database.execute(
        f"CREATE TABLE items AS SELECT item_id, min(listing) & {behind - 1} AS listing, "
        f"{'min(listing) IS NOT NULL' if has_item_list else 'true'} AS known FROM ("
        f"SELECT item_id, {listing} AS listing FROM raw_items WHERE dropped IS NULL UNION ALL "
        "SELECT item_id, NULL FROM raw_interactions WHERE dropped IS NULL) GROUP BY item_id ORDER BY item_id"
    )
    database.execute(
        "CREATE TABLE users AS SELECT DISTINCT user_id FROM raw_interactions WHERE dropped IS NULL ORDER BY user_id"
    )
    database.execute(
        "CREATE TABLE numbered_interactions AS SELECT u.rowid::INTEGER AS user_number, "
        "i.rowid::INTEGER AS item_number, r.timestamp, r.rating, r.rowid AS source_row, r.split "
        "FROM raw_interactions r JOIN users u ON u.user_id = r.user_id JOIN items i ON i.item_id = r.item_id "
        "WHERE r.dropped IS NULL"
    )
    database.execute("DROP TABLE raw_interactions")
    if not has_item_list or source.items_from_splits:
        return Numbering(has_item_list, {})
    listed = database.row(
        "SELECT count(*) AS rows, count(DISTINCT item_id) AS ids FROM raw_items WHERE dropped IS NULL"
    )
    return Numbering(has_item_list, {"duplicate_listing": listed.rows - listed.ids})
