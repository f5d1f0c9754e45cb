"""Digests of code that follow imports: what a workflow script, or a class, can run of this package.

Files are parsed and never imported. Standard library only: Snakemake computes the digest of every rule while planning.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

# by digests results are kept or made anew, and never made
__affects_results__ = False

PACKAGE = Path(__file__).parents[1]

# assignments that leave a package's `__init__` one that only re-exports
_NO_CODE = {"__all__", "__version__", "_PUBLIC"}


class _Import(NamedTuple):
    """One imported name: `name` of `module`, or the module itself where `name` is None; `importer` asks for it."""

    importer: str
    module: str
    name: str | None


class _Source(NamedTuple):
    """What is known of a file. `imports` run; `exports` are names bound by imports, also by those for type checkers."""

    digest: str
    imports: tuple[_Import, ...]
    exports: dict[str, _Import]
    only_exports: bool
    affects_nothing: bool


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
            scripts.append(_source(Path(root), "").digest)
            pending += _needs(Path(root), "", folder)
        elif str(root).partition(":")[0].split(".")[0] == folder.name:
            module, _, name = str(root).partition(":")
            pending += [] if name else [module]
            pending += _counting([_Import("code_digest", module, name or None)], folder)
        else:
            raise ValueError(f"{root} is neither a script (.py) nor a module of {folder.name}")
    modules: dict[str, str] = {}
    while pending:
        module = pending.pop()
        file = _file_of(module, folder)
        if module not in modules and file is not None:
            modules[module] = _source(file, module).digest
            pending += _needs(file, module, folder)
    return scripts, modules


@cache
def _needs(file: Path, module: str, folder: Path) -> frozenset[str]:
    """The modules that the imports of a file reach at once."""
    return _counting(_source(file, module).imports, folder)


def _counting(imports: Iterable[_Import], folder: Path) -> frozenset[str]:
    """The modules that imports reach at once: through packages that only re-export, not through other modules."""
    pending = list(imports)
    followed: set[_Import] = set()
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
            source = _source(file, module)
            if not _does_not_count(module, source, folder) and not (file.stem == "__init__" and source.only_exports):
                needs.add(module)
        pending += _requested(wanted, folder)
    return frozenset(needs)


def _requested(wanted: _Import, folder: Path) -> list[_Import]:
    """What an import from a package asks for beyond the package's own code: exported names and submodules."""
    file = _file_of(wanted.module, folder)
    if file is None or file.stem != "__init__":
        return []
    source = _source(file, wanted.module)
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
        return [_Import(wanted.importer, submodule, None)]
    if uncounted or not source.only_exports or wanted.name in _NO_CODE:
        return []
    raise ModuleNotFoundError(f"{wanted.importer} imports {wanted.name} from {wanted.module}, which has no such name")


def _does_not_count(module: str, source: _Source, folder: Path) -> bool:
    """Whether a module says that no result depends on it, or holds values that reach a rule as its parameters."""
    settings = f"{folder.name}.settings"
    return source.affects_nothing or module == settings or module.startswith(f"{settings}.")


@cache
def _file_of(module: str, folder: Path) -> Path | None:
    path = folder.parent.joinpath(*module.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


@cache
def _source(file: Path, module: str) -> _Source:
    """A file, parsed; `module` is its dotted name, empty for a script."""
    body = ast.parse(file.read_bytes(), str(file)).body
    # what a relative import starts from
    package = module if file.stem == "__init__" else module.rpartition(".")[0]
    importer = module or str(file)
    exports = {name: target for part in body for name, target in _lazy_exports(part, importer)} | {
        name: target
        for statement in body
        for part in ((*statement.body, *statement.orelse) if _is_for_type_checkers(statement) else (statement,))
        for name, target in _imports(part, importer, package)
    }
    data_files = (name for part in body if _assigned(part) == "_DATA_FILES" for name in _texts(part))
    contents = [_block(body), *(hashlib.sha256((file.parent / name).read_bytes()).hexdigest() for name in data_files)]
    return _Source(
        digest=hashlib.sha256("\n".join(contents).encode()).hexdigest(),
        imports=(
            *(target for part in _statements(body) for _, target in _imports(part, importer, package)),
            *(target for part in body if _assigned(part) == "_LOADED" for target in _import_strings(part, importer)),
        ),
        exports=exports,
        only_exports=all(map(_only_exports, body)),
        affects_nothing=any(_assigned(part) == "__affects_results__" for part in body),
    )


def _lazy_exports(statement: ast.stmt, importer: str) -> Iterator[tuple[str, _Import]]:
    """The names that a package's `__getattr__` imports on use: `_PUBLIC = {"name": "module:name", …}`."""
    value = getattr(statement, "value", None)
    if _assigned(statement) == "_PUBLIC" and isinstance(value, ast.Dict):
        names = [key.value for key in value.keys if isinstance(key, ast.Constant)]
        yield from zip(map(str, names), _import_strings(statement, importer), strict=True)


def _import_strings(statement: ast.stmt, importer: str) -> Iterator[_Import]:
    """The import strings `module:name` in a statement, in their order."""
    for text in _texts(statement):
        module, colon, name = text.partition(":")
        if colon:
            yield _Import(importer, module, name)


def _texts(statement: ast.stmt) -> Iterator[str]:
    """The texts in a statement, in their order."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _imports(statement: ast.stmt, importer: str, package: str) -> Iterator[tuple[str, _Import]]:
    """The imports of one statement: the name that each binds, and what is imported."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield alias.asname or alias.name, _Import(importer, alias.name, None)
    elif isinstance(statement, ast.ImportFrom):
        module = statement.module or ""
        if statement.level:
            above = package.split(".")
            module = ".".join(filter(None, [*above[: len(above) + 1 - statement.level], module]))
        for alias in statement.names:
            yield alias.asname or alias.name, _Import(importer, module, alias.name)


def _statements(block: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a block, at any depth, without what only type checkers read."""
    for statement in _that_run(block):
        yield statement
        for field in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, field, ()))
        for field in ("handlers", "cases"):
            for branch in getattr(statement, field, ()):
                yield from _statements(branch.body)


def _that_run(block: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a block without docstrings, other bare strings and blocks for type checkers."""
    for statement in block:
        if _is_for_type_checkers(statement):
            yield from _that_run(statement.orelse)
        elif not _is_bare_string(statement):
            yield statement


def _is_for_type_checkers(statement: ast.stmt) -> TypeGuard[ast.If]:
    """Whether a statement is `if TYPE_CHECKING:` or `if typing.TYPE_CHECKING:`."""
    if not isinstance(statement, ast.If):
        return False
    test = statement.test
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _is_bare_string(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _assigned(statement: ast.stmt) -> str | None:
    """The name that a statement such as `name = value` assigns to."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target: ast.expr = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        target = statement.target
    else:
        return None
    return target.id if isinstance(target, ast.Name) else None


def _only_exports(statement: ast.stmt) -> bool:
    """Whether a statement is no code of an `__init__`, but tells where its names come from."""
    if isinstance(statement, ast.Import):
        return True
    if isinstance(statement, ast.ImportFrom):
        return all(alias.name != "*" for alias in statement.names)
    if isinstance(statement, ast.FunctionDef):
        return statement.name == "__getattr__"
    if _is_for_type_checkers(statement):
        return all(isinstance(part, ast.Import | ast.ImportFrom) for part in (*statement.body, *statement.orelse))
    return _is_bare_string(statement) or _assigned(statement) in _NO_CODE


def _block(block: Sequence[ast.stmt]) -> str:
    """A text that two blocks of statements share if they do the same: neighbouring imports are sorted."""
    texts = []
    for are_imports, group in groupby(_that_run(block), lambda part: isinstance(part, ast.Import | ast.ImportFrom)):
        if are_imports:
            texts += sorted(line for statement in group for line in _import_lines(statement))
        else:
            texts += map(_text, group)
    return "\n".join(texts)


def _import_lines(statement: ast.stmt) -> list[str]:
    """One line a name that the statement imports."""
    assert isinstance(statement, ast.Import | ast.ImportFrom)
    start = "." * statement.level + (statement.module or "") if isinstance(statement, ast.ImportFrom) else ""
    return [f"import {start} {alias.name} {alias.asname}" for alias in statement.names]


def _text(value: Any) -> str:
    """The tree below a node as text.

    Unlike `ast.dump`, it takes a third of the time, and leaves out fields without a value, so that a field which
    another version of Python adds changes nothing. Whether a name is read or set follows from where it stands.
    """
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is ast.Name:
        return str(value.id)
    if kind is ast.Constant or kind is ast.MatchSingleton:
        return f"#{value.value!r}"
    if kind is ast.Attribute:
        return f"{_text(value.value)}.{value.attr}"
    if kind is list:
        return f"[{_block(value) if isinstance(value[0], ast.stmt) else ','.join(map(_text, value))}]"
    if not isinstance(value, ast.AST):
        return repr(value)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "doc":
        return "doc()"
    texts = [kind.__name__]
    for field in kind._fields:
        # flags are 0 where they are not set
        if field != "ctx" and (child := getattr(value, field, None)):
            texts.append(f"{field}={_text(child)}")
    return f"({' '.join(texts)})"
