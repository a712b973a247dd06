"""Detection of compressed items."""

import pytest

from httpprocessproxy.companions.archive.kinds import is_compressed


@pytest.mark.parametrize(
    ("content_type", "name", "expected"),
    [
        ("image/png", "a", True),
        ("Image/PNG; x=y", "a", True),
        ("video/anything", "a", True),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "a", True),
        ("image/svg+xml", "a", False),
        ("image/bmp", "a", False),
        ("text/html", "a.zip", False),
        ("", "a.ZIP", True),
        ("application/octet-stream", "a.b.jpg", True),
        ("application/octet-stream", "zip.txt", False),
        ("", "a", False),
    ],
)
def test_type_or_else_extension_decides(content_type: str, name: str, expected: bool) -> None:
    assert is_compressed(content_type, name) is expected
