"""The numbers that exports give to users, and who is left out."""

import logging
from pathlib import Path

from semid.files import whole_file
from semid.semantic_ids.exports.histories import Histories

logger = logging.getLogger(__name__)


def write_users(histories: Histories, path: Path, fewest: int) -> int:
    """Write `user_id<tab>number` of the users with so many items or more; say how many are left out, and return it.

    A tab or a line end in the name of a user becomes a space.
    """
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for user in histories.with_at_least(fewest):
            file.write(f"{plain_name(user.name)}\t{user.number}\n")
    left_out = histories.users_with_fewer(fewest)
    if left_out:
        logger.warning(
            "%d of %d users are left out: they have fewer than %d items with a semantic ID",
            left_out,
            len(histories),
            fewest,
        )
    return left_out


def plain_name(name: str) -> str:
    """The name of a user on one line, without tabs."""
    return "".join(" " if character in "\t\r\n" else character for character in name)
