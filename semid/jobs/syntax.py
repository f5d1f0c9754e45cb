"""What one file of Python code says: its imports, the names it exports, and a digest of what it does.

Files are parsed and never imported. Standard library only: Snakemake computes the digest of every rule while planning.
"""

import ast
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

# by digests results are kept or made anew, and never made
__affects_results__ = False

# assignments that leave a package's `__init__` one that only re-exports
NO_CODE = {"__all__", "__version__", "_PUBLIC"}


class ImportedName(NamedTuple):
    """One imported name: `name` of `module`, or the module itself where `name` is None; `importer` asks for it."""

    importer: str
    module: str
    name: str | None


class ParsedFile(NamedTuple):
    """What is known of a file. `imports` run; `exports` are names bound by imports, also by those for type checkers."""

    digest: str
    imports: tuple[ImportedName, ...]
    exports: dict[str, ImportedName]
    only_exports: bool
    affects_nothing: bool


@cache
def parsed_file(file: Path, module: str) -> ParsedFile:
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
    loaded = [part for part in body if _assigned_name(part) == "_LOADED"]
    data_files = (name for part in body if _assigned_name(part) == "_DATA_FILES" for name in _texts(part))
    contents = [_block(body), *(hashlib.sha256((file.parent / name).read_bytes()).hexdigest() for name in data_files)]
    return ParsedFile(
        digest=hashlib.sha256("\n".join(contents).encode()).hexdigest(),
        imports=(
            *(target for part in _statements(body) for _, target in _imports(part, importer, package)),
            *(target for part in loaded for target in _import_strings(part, importer)),
        ),
        exports=exports,
        only_exports=all(map(_only_exports, body)),
        affects_nothing=any(_assigned_name(part) == "__affects_results__" for part in body),
    )


def _lazy_exports(statement: ast.stmt, importer: str) -> Iterator[tuple[str, ImportedName]]:
    """The names that a package's `__getattr__` imports on use: `_PUBLIC = {"name": "module:name", …}`."""
    value = getattr(statement, "value", None)
    if _assigned_name(statement) == "_PUBLIC" and isinstance(value, ast.Dict):
        names = [key.value for key in value.keys if isinstance(key, ast.Constant)]
        yield from zip(map(str, names), _import_strings(statement, importer), strict=True)


def _import_strings(statement: ast.stmt, importer: str) -> Iterator[ImportedName]:
    """The import strings `module:name` in a statement, in their order."""
    for text in _texts(statement):
        module, colon, name = text.partition(":")
        if colon:
            yield ImportedName(importer, module, name)


def _texts(statement: ast.stmt) -> Iterator[str]:
    """The texts in a statement, in their order."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _imports(statement: ast.stmt, importer: str, package: str) -> Iterator[tuple[str, ImportedName]]:
    """The imports of one statement: the name that each binds, and what is imported."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield alias.asname or alias.name, ImportedName(importer, alias.name, None)
    elif isinstance(statement, ast.ImportFrom):
        module = statement.module or ""
        if statement.level:
            above = package.split(".")
            module = ".".join(filter(None, [*above[: len(above) + 1 - statement.level], module]))
        for alias in statement.names:
            yield alias.asname or alias.name, ImportedName(importer, module, alias.name)


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


def _assigned_name(statement: ast.stmt) -> str | None:
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
    return _is_bare_string(statement) or _assigned_name(statement) in NO_CODE


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
