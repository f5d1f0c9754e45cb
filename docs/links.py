"""A hook of MkDocs: links to files of the project outside of docs/, which the site does not have, become names.

On a host that shows the repository the same links lead to the files.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<path>(?:\.\./)+[^)#\s]+)(?:#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the text of a page without links that leave docs/. Raises `PluginError` for one to a file that is not."""
    folder = (ROOT / "docs" / page.file.src_uri).parent

    def named(link: re.Match[str]) -> str:
        path = (folder / link["path"]).resolve()
        if path.is_relative_to(ROOT / "docs"):
            return link[0]
        if not path.exists():
            raise PluginError(f"docs/{page.file.src_uri}: {link['path']} leads to no file of the project: correct it")
        text, name = link["text"].strip("`"), str(path.relative_to(ROOT))
        return f"`{name}`" if text in {name, path.name} else f"{text} (`{name}`)"

    return LINK.sub(named, markdown)
