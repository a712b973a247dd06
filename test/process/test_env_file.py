"""Files of environment variables: read as python-dotenv does, but its warnings are errors."""

from io import StringIO
from pathlib import Path

import pytest
from dotenv import load_dotenv

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.process.env_file import read_env_file

INHERITED = {"HOME": "/home/me", "EMPTY": "", "SHARED": "environment"}


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("", {}),
        ("# nothing\n\n", {}),
        ("A=1\nB = two words # a comment\n", {"A": "1", "B": "two words"}),
        ("export A=1\r\nB='${HOME}'\r\n", {"A": "1", "B": "/home/me"}),
        ("A=\"one\\ntwo\"\nB='one\\ntwo'\n", {"A": "one\ntwo", "B": "one\\ntwo"}),
        ('A="one\ntwo"\nB=3\n', {"A": "one\ntwo", "B": "3"}),
        (
            "A=1\nB=${A}/${HOME}/${NONE:-default}/${NONE}.\n",
            {"A": "1", "B": "1//home/me/default/."},
        ),
        ("A=${EMPTY:-default}$HOME\n", {"A": "$HOME"}),
        ("SHARED=file\nA=${SHARED}\n", {"SHARED": "file", "A": "environment"}),
        ("A=1\nA=${A}2\n", {"A": "12"}),
        ("A=\nB\n", {"A": ""}),
        ("\ufeffA=ü\n", {"A": "ü"}),
    ],
)
def test_file_is_read_as_dotenv_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, variables: dict[str, str]
) -> None:
    file = tmp_path / ".env"
    file.write_bytes(text.encode())
    assert read_env_file(file, INHERITED) == variables
    # The environment takes precedence over the file, as with python-dotenv.
    environment = dict(INHERITED)
    monkeypatch.setattr("os.environ", environment)
    load_dotenv(stream=StringIO(text))
    assert environment == {**variables, **INHERITED}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"A=1\nB C\n", 2),
        (b"\n\n# x\n\n'A\n", 5),
        (b"A=1\n\nSECRET='open\nB=2\n", 3),
        (b"A=1\nB='1' 2\n", 2),
        (b"'A=B'=1\n", 1),
        (b"A=1\nSECRET=a\0b\n", 2),
    ],
)
def test_invalid_line_is_reported_by_number_without_its_text(
    tmp_path: Path, text: bytes, line: int
) -> None:
    file = tmp_path / ".env"
    file.write_bytes(text)
    with pytest.raises(UserError) as raised:
        read_env_file(file, INHERITED)
    assert str(raised.value).startswith(f"{file}: line {line} is not")
    assert "SECRET" not in str(raised.value)


def test_missing_irregular_or_non_utf8_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*No such file"):
        read_env_file(tmp_path / "none", INHERITED)
    with pytest.raises(UserError, match="not a regular file"):
        read_env_file(tmp_path, INHERITED)
    with pytest.raises(UserError, match="not a regular file"):
        read_env_file(Path("/dev/null"), INHERITED)
    (tmp_path / "latin").write_bytes(b"A=\xfc\n")
    with pytest.raises(UserError, match="not UTF-8"):
        read_env_file(tmp_path / "latin", INHERITED)
