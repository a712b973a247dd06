"""Placeholders, by tables."""

import pytest

from httpprocessproxy.core.placeholders import mentioned, replaced

VALUES = {"port": "8001", "db.port": "5432", "my-api_2.url": "http://localhost:1", "worktree": "b"}


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("{port}", "8001"),
        ("-p {port}:{db.port}/x", "-p 8001:5432/x"),
        ("{my-api_2.url}/items", "http://localhost:1/items"),
        ("{worktree}.db", "b.db"),
        ("{{port}}", "{8001}"),
        ("{db.url} {db.} {.port} {a.b.port}", None),
        ("{print} {} {0} ${port:-1} { port } {PORT} {Db.port}", None),
    ],
)
def test_placeholder_with_a_value_is_replaced_and_other_braces_are_kept(
    text: str, becomes: str | None
) -> None:
    assert replaced(text, VALUES) == (text if becomes is None else becomes)


def test_value_is_not_searched_for_placeholders() -> None:
    assert replaced("{a.url}", {"a.url": "{port}", "port": "1"}) == "{port}"


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        ([], []),
        (["serve", "{port}"], ["port"]),
        (["{db.port}{db.url}", "{print}"], ["db.port", "db.url", "print"]),
        (["{ port } {Port} {0}"], []),
    ],
)
def test_names_in_braces_are_mentioned_in_order(texts: list[str], names: list[str]) -> None:
    assert mentioned(texts) == names
