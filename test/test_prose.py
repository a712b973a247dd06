"""The language of docstrings, comments and test names: the technical noun comes first.

A reader searches for the noun. A sentence that begins with "What" or "Whoever" hides it, and so
does a test name that begins so.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(
    path for part in ("httpprocessproxy", "test") for path in (ROOT / part).rglob("*.py")
)

_FIRST = (
    "What Who Whom Whose Whoever Whatever Nobody Somebody Of By With That Those Which Where How"
)
FIRST_WORDS = re.compile(rf"(?:{_FIRST.replace(' ', '|')})\b")
WORDS = re.compile(r"\b(nobody|somebody|anybody|whoever|anew|of ours|is no)\b", re.IGNORECASE)
TEST_NAMES = re.compile(rf"test_(?:{_FIRST.lower().replace(' ', '|')})_")

# Texts that keep one of the words, each with its reason.
ALLOWED: dict[str, str] = {
    "test/test_prose.py": "lists the words",
}


def texts(source: str) -> Iterator[tuple[int, str]]:
    """The docstrings and the comments of a file, with their lines; a block of comments is one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring is not None:
                yield node.body[0].lineno, docstring
    block: list[str] = []
    first = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        if block and line != last + 1:
            yield first, " ".join(block)
            block = []
        if not block:
            first = line
        block.append(token.string.lstrip("#: "))
        last = line
    if block:
        yield first, " ".join(block)


def faults(source: str) -> Iterator[str]:
    """The lines of a file that need other words."""
    for line, text in texts(source):
        if found := FIRST_WORDS.match(text):
            yield f"line {line} begins with {found[0]!r}"
        for word in WORDS.findall(text):
            yield f"line {line} has {word!r}"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and TEST_NAMES.match(node.name):
            yield f"line {node.lineno}: {node.name} begins with a pronoun or a preposition"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_comments_and_test_names_name_the_thing_first(path: Path) -> None:
    if str(path.relative_to(ROOT)) not in ALLOWED:
        assert list(faults(path.read_text())) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""What is ours."""\n', ["line 1 begins with 'What'"]),
        ('"""The server."""\n# Of these, two.\nx = 1\n', ["line 2 begins with 'Of'"]),
        ('"""The server is told, but there is nobody."""\n', ["line 1 has 'nobody'"]),
        ("# A block of two lines\n# That goes on.\n", []),
        ("def test_who_asks() -> None:\n    pass\n", ["test_who_asks begins with a pronoun"]),
        ('"""Whether the stream has ended."""\n', []),
    ],
)
def test_faults_of_prose_are_found(source: str, found: list[str]) -> None:
    faults_found = list(faults(source))
    assert len(faults_found) == len(found)
    assert all(part in fault for part, fault in zip(found, faults_found, strict=True))
