"""Secret options: on the command line, in a file, or in the environment."""

from pathlib import Path

import pytest

from httpprocessproxy.config.secret import secret
from httpprocessproxy.core.errors import UserError


@pytest.fixture(autouse=True)
def variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPP_SHARE_AUTH", "of:environment")


def test_option_precedes_the_variable() -> None:
    assert secret("share-auth", "of:line", None) == "of:line"
    assert secret("share-auth", "", None) == "of:environment"


def test_first_line_of_the_file_precedes_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "auth"
    file.write_text("of:file\nanother line\n")
    assert secret("share-auth", "", file) == "of:file"


def test_secret_without_any_form_is_empty() -> None:
    assert secret("forward-token", "", None) == ""


@pytest.mark.parametrize(
    ("content", "given", "problem"),
    [
        (None, "", "--share-auth-file: cannot read .*: No such file"),
        (b"\n", "", "--share-auth-file: the first line of .* is empty"),
        (b"\xff\n", "", "--share-auth-file: .* is not UTF-8"),
        (b"a:b\n", "a:b", "--share-auth and --share-auth-file are two values: choose one"),
    ],
)
def test_file_without_a_secret_is_a_user_error(
    tmp_path: Path, content: bytes | None, given: str, problem: str
) -> None:
    file = tmp_path / "auth"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=problem):
        secret("share-auth", given, file)
