"""Paths within folders, as a table."""

import pytest

from httpprocessproxy.core.change.paths import is_within


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        ("/a", "/a", True),
        ("/a/b/c", "/a", True),
        ("a/b", "a", True),
        ("/a/b", "/", True),
        ("/", "/", True),
        ("/ab", "/a", False),
        ("/a", "/a/b", False),
        ("b/a", "a", False),
    ],
)
def test_path_is_within_itself_and_the_folders_above(
    path: str, folder: str, expected: bool
) -> None:
    assert is_within(path, folder) == expected
