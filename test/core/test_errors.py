"""Exceptions: the tree in the docstring matches the classes."""

import inspect
import re

from httpprocessproxy.core import errors

TREE = re.findall(r"^ {4}( *)(\w+Error)", errors.__doc__ or "", re.MULTILINE)


def test_docstring_shows_every_exception_below_its_parent() -> None:
    parents: dict[int, str] = {-4: "Exception"}
    shown = {}
    for indent, name in TREE:
        shown[name] = parents[len(indent) - 4]
        parents[len(indent)] = name
    classes = inspect.getmembers(errors, inspect.isclass)
    assert shown == {name: of.__base__.__name__ for name, of in classes if of.__base__}


def test_request_error_carries_its_status() -> None:
    error = errors.RequestError(414, "too long")
    assert (error.status, str(error)) == (414, "too long")
