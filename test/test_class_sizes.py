"""Limits of classes: the methods of each, the parameters of its constructor, and its name."""

import ast
from collections.abc import Iterator

from test.test_architecture import SOURCES, module

# Properties and dunder methods count.
MAX_METHODS = 20

# Classes with more methods: the synchronous callbacks of the data plane and its gate.
# Each is to be split; a new one is never added here.
LARGE_CLASSES = {
    "frontends.http2.connection.Http2Connection",
    "frontends.http3.connection.Http3Connection",
    "frontends.stream_client.StreamClient",
    "proxy.client_connection.ClientConnection",
    "proxy.exchange.Exchange",
    "proxy.upstream_connection.UpstreamConnection",
    "service.gate.Gate",
}

# More parameters of a constructor become a frozen dataclass, or fewer collaborators.
MAX_PARAMETERS = 5


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    """All classes of the package, by their dotted names below it."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                yield f"{module(path)}.{node.name}", node


def methods(of: ast.ClassDef) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """The methods of a class, by name: overloads, and a property and its setter, are one."""
    found = (node for node in of.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name: node for node in found}


def test_classes_have_few_methods() -> None:
    large = {name for name, node in classes() if len(methods(node)) > MAX_METHODS}
    assert large - LARGE_CLASSES == set()
    assert LARGE_CLASSES - large == set(), "gone: remove it here"


def parameters(of: ast.ClassDef) -> int:
    """The number of parameters of a constructor; those of a dataclass are its values."""
    constructor = methods(of).get("__init__")
    if constructor is None:
        return 0
    arguments = constructor.args
    return len([*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]) - 1


def test_constructors_have_few_parameters() -> None:
    large = {name for name, node in classes() if parameters(node) > MAX_PARAMETERS}
    assert large == set()


def test_name_of_a_class_stands_for_one_thing() -> None:
    """Names with an underscore are known to their module alone."""
    names = [node.name for _, node in classes() if not node.name.startswith("_")]
    assert {name for name in names if names.count(name) > 1} == set()
