"""An extension of Griffe, which reads sources for reference/python.md: annotations explain options."""

import ast
import re
from typing import Any

import griffe

ROLE = re.compile(r":\w+:`~?([\w.]+)`")


class OptionTexts(griffe.Extension):
    """Gives a field `Annotated[int, Ge(1), doc("…")]` its text and its type, and roles in docstrings plain names."""

    def on_attribute_instance(self, *, node: Any, attr: griffe.Attribute, **_: Any) -> None:
        """Take the text and the type out of the annotation of a field."""
        if isinstance(node, ast.AnnAssign) and _is_annotated(node.annotation):
            kind, *marks = node.annotation.slice.elts
            for mark in marks:
                # a text that is put together from other names is read by the page of the configuration alone
                if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "doc" and _is_text(mark.args[0]):
                    attr.docstring = griffe.Docstring(mark.args[0].value, parent=attr)
            attr.annotation = ast.unparse(kind)

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Write names for the roles of Sphinx."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub(r"`\1`", obj.docstring.value)


def _is_annotated(annotation: ast.expr) -> bool:
    return isinstance(annotation, ast.Subscript) and getattr(annotation.value, "id", "") == "Annotated"


def _is_text(argument: ast.expr) -> bool:
    return isinstance(argument, ast.Constant) and isinstance(argument.value, str)
