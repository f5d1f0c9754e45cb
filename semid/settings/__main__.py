"""Write the files that are generated from the declarations of options; with --check, name those out of date."""

import json
import sys
from pathlib import Path

from semid.files import write_text
from semid.settings.documentation import configuration_page, tokenizer_table, with_generated
from semid.settings.schema import config_schema


def generated_files(root: Path) -> dict[Path, str]:
    """The content of every generated file below the project's folder, by its path."""
    tokenizers = root / "docs" / "reference" / "tokenizers.md"
    return {
        root / "schemas" / "config.schema.json": json.dumps(config_schema(), indent=1, ensure_ascii=False) + "\n",
        root / "docs" / "reference" / "configuration.md": configuration_page(),
        tokenizers: with_generated(tokenizers.read_text(encoding="utf-8"), tokenizer_table()),
    }


def main() -> None:
    root = Path(__file__).resolve().parents[2]
    files = generated_files(root)
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        if stale:
            names = ", ".join(str(path.relative_to(root)) for path in stale)
            sys.exit(f"out of date: {names}; run python -m semid.settings")
        return
    for path in stale:
        write_text(path, files[path])
        print(path.relative_to(root))


if __name__ == "__main__":
    main()
