"""How the package is put together: short signatures, and public names that are there."""

import ast
from pathlib import Path

import pytest

from semid import analysis, evaluation

MODULES = sorted(module for package in (evaluation, analysis) for module in Path(package.__file__).parent.rglob("*.py"))
MOST_PARAMETERS = 5


def parameters(function: ast.FunctionDef) -> list[str]:
    """Names of all parameters but `self` and `cls`."""
    arguments = function.args
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    names = [argument.arg for argument in (*listed, arguments.vararg, arguments.kwarg) if argument is not None]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


@pytest.mark.parametrize("module", MODULES, ids=lambda path: f"{path.parent.stem}.{path.stem}")
def test_no_function_has_more_than_five_parameters(module: Path):
    functions = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.FunctionDef)]
    long = {function.name: parameters(function) for function in functions}
    assert {name: names for name, names in long.items() if len(names) > MOST_PARAMETERS} == {}


def test_parameters_are_counted_without_self():
    source = "class A:\n def f(self, a, /, b, *c, d, **e): ...\n"
    function = next(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    assert parameters(function) == ["a", "b", "d", "c", "e"]


def test_every_public_name_is_there_and_no_other():
    for name in evaluation.__all__:
        assert getattr(evaluation, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'evaluate_everything'"):
        _ = evaluation.evaluate_everything
