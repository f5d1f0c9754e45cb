"""Digests of code that follow imports: what a workflow script, or a class, can run of this package.

Standard library only: Snakemake computes the digest of every rule while planning.
"""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from semid.jobs.syntax import NO_CODE, ImportedName, ParsedFile, parsed_file

# by digests results are kept or made anew, and never made
__affects_results__ = False

PACKAGE = Path(__file__).parents[1]


def code_digest(*roots: str | Path, package: str | Path = PACKAGE) -> str:
    """Twelve hexadecimal digits of the SHA-256 of all code of the package that `roots` reach by imports.

    A root is the path of a script (which ends in `.py` and counts itself), a module (`semid.quantizers.rqvae`) or the
    import string of an implementation (`semid.quantizers.rqvae:RQVAE`). `package` is the folder of the package.

    Of each file the syntax tree counts, without comments, docstrings, the texts of `doc(...)`, what only type checkers
    read, and the order of neighbouring imports. Imports count wherever they stand, in functions too, and so do the
    import strings that a module assigns to `_LOADED`; others do not. The bytes of the files that a module names in
    `_DATA_FILES`, relative to its own folder, are part of that module. What does not count: modules that say
    `__affects_results__ = False`, as registries, logs and manifests do, unless they are roots; the subpackage
    `settings`; and an `__init__` that only re-exports, by imports or by a table `_PUBLIC` of import strings, through
    which the requested names alone are followed. The digest does not depend on where the files lie. Raises
    `ModuleNotFoundError` for a module that is not in the package, `FileNotFoundError` for a data file that is not
    there, and `ValueError` for a root that is none of the three.
    """
    scripts, modules = _reach(roots, Path(package))
    digest = hashlib.sha256()
    for line in (*sorted(scripts), *(f"{module} {modules[module]}" for module in sorted(modules))):
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()[:12]


def reached_modules(*roots: str | Path, package: str | Path = PACKAGE) -> list[str]:
    """The modules that :func:`code_digest` digests for `roots`, sorted; scripts are not among them."""
    return sorted(_reach(roots, Path(package))[1])


def _reach(roots: Iterable[str | Path], folder: Path) -> tuple[list[str], dict[str, str]]:
    """The digests of the scripts among `roots`, and those of the modules that the roots reach, by name."""
    scripts: list[str] = []
    pending: list[str] = []
    for root in roots:
        if str(root).endswith(".py"):
            scripts.append(parsed_file(Path(root), "").digest)
            pending += _needs(Path(root), "", folder)
        elif str(root).partition(":")[0].split(".")[0] == folder.name:
            module, _, name = str(root).partition(":")
            pending += [] if name else [module]
            pending += _counting([ImportedName("code_digest", module, name or None)], folder)
        else:
            raise ValueError(f"{root} is neither a script (.py) nor a module of {folder.name}")
    modules: dict[str, str] = {}
    while pending:
        module = pending.pop()
        file = _file_of(module, folder)
        if module not in modules and file is not None:
            modules[module] = parsed_file(file, module).digest
            pending += _needs(file, module, folder)
    return scripts, modules


@cache
def _needs(file: Path, module: str, folder: Path) -> frozenset[str]:
    """The modules that the imports of a file reach at once."""
    return _counting(parsed_file(file, module).imports, folder)


def _counting(imports: Iterable[ImportedName], folder: Path) -> frozenset[str]:
    """The modules that imports reach at once: through packages that only re-export, not through other modules."""
    pending = list(imports)
    followed: set[ImportedName] = set()
    needs: set[str] = set()
    while pending:
        wanted = pending.pop()
        parts = wanted.module.split(".")
        if parts[0] != folder.name or wanted in followed:
            continue
        followed.add(wanted)
        # Python runs the `__init__` of every package above a module
        for length in range(1, len(parts) + 1):
            module = ".".join(parts[:length])
            file = _file_of(module, folder)
            if file is None:
                raise ModuleNotFoundError(f"{wanted.importer} imports {wanted.module}: no {module} in {folder}")
            source = parsed_file(file, module)
            if not _does_not_count(module, source, folder) and not (file.stem == "__init__" and source.only_exports):
                needs.add(module)
        pending += _requested(wanted, folder)
    return frozenset(needs)


def _requested(wanted: ImportedName, folder: Path) -> list[ImportedName]:
    """What an import from a package asks for beyond the package's own code: exported names and submodules."""
    file = _file_of(wanted.module, folder)
    if file is None or file.stem != "__init__":
        return []
    source = parsed_file(file, wanted.module)
    uncounted = _does_not_count(wanted.module, source, folder)
    exports = {} if uncounted else source.exports
    if wanted.name in (None, "*"):
        return list(exports.values())
    export = exports.get(wanted.name)
    # `from package import module` in the package's own `__init__` asks for the module
    if export is not None and (export.module, export.name) != (wanted.module, wanted.name):
        return [export]
    submodule = f"{wanted.module}.{wanted.name}"
    if _file_of(submodule, folder) is not None:
        return [ImportedName(wanted.importer, submodule, None)]
    if uncounted or not source.only_exports or wanted.name in NO_CODE:
        return []
    raise ModuleNotFoundError(f"{wanted.importer} imports {wanted.name} from {wanted.module}, which has no such name")


def _does_not_count(module: str, source: ParsedFile, folder: Path) -> bool:
    """Whether a module says that no result depends on it, or holds values that reach a rule as its parameters."""
    settings = f"{folder.name}.settings"
    return source.affects_nothing or module == settings or module.startswith(f"{settings}.")


@cache
def _file_of(module: str, folder: Path) -> Path | None:
    path = folder.parent.joinpath(*module.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)
