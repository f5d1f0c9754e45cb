"""Addresses as they may be shown: without users, passwords and tokens, whatever text they stand in."""

import re
from urllib.parse import urlsplit, urlunsplit

# what is shown changes no result
__affects_results__ = False

# the user of an address ends at the last @ before the path; a password may hold a slash that should have been escaped,
# and then what looks like a port is none, unless a part of the path begins with the @
_USER = r"[^\s/?#]*@|[^\s/?#@:]*:(?!\d*(?:/@|[?#\s]|$))\S*@"
# what stands before the host of an address, its user, host and path, and query or fragment, in a text
_ADDRESS = re.compile(rf"(\bhttps?:/*|(?<=:)//)({_USER})?([^\s?#\"'<>]*)([?#][^\s\"'<>]*)?", re.IGNORECASE)
# a user and a password before a host without a scheme
_USER_ALONE = re.compile(r"(?<![^\s\"'(=/])[^\s/@:\"'(=]+:[^\s/@]*@(?=[^\s@])")
# the path of a request, as urllib3 shows it
_REQUEST = re.compile(r"(with url: [^\s?#]*)[?#]\S*")


def shown(text: object) -> str:
    """Return a text whose addresses have lost their user and password, their query and their fragment.

    All of these may hold secrets. An error of a library stands for its message.
    """
    without = _ADDRESS.sub(r"\1\3", str(text))
    return _USER_ALONE.sub("", _REQUEST.sub(r"\1", without))


def address_below(base: str, path: str) -> str:
    """Return the address of `path` below the address `base`, whose user and query it keeps."""
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{path}"))
