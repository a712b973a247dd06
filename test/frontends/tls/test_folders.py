"""The folder of keys: permissions, and the atomic creation of files."""

import multiprocessing
import os
import stat
import sys
from pathlib import Path

import pytest

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.frontends.tls.folders import data_folder, make_once, read_own, replace_file


def test_data_folder_follows_the_conventions_of_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(os.environ["HOME"])
    assert data_folder() == home / ".local/share/http-process-proxy/tls"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert data_folder() == home / ".local/share/http-process-proxy/tls"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_folder() == tmp_path / "http-process-proxy/tls"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert data_folder() == home / "Library/Application Support/http-process-proxy/tls"


def test_key_is_readable_by_its_user_only(data: Path) -> None:
    make_once(data / "ca", {"key": b"secret"})
    for path, mode in ((data, 0o700), (data / "ca", 0o700), (data / "ca" / "key", 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert read_own(data / "ca" / "key") == b"secret"


def test_existing_folder_is_not_replaced(data: Path) -> None:
    make_once(data / "ca", {"key": b"first"})
    make_once(data / "ca", {"key": b"second"})
    assert read_own(data / "ca" / "key") == b"first"
    assert [path.name for path in data.iterdir()] == ["ca"]


def make(folder: Path, content: bytes) -> None:
    make_once(folder, {"key": content * 100_000, "certificate": content})


def test_concurrent_processes_get_the_folder_of_one(data: Path) -> None:
    context = multiprocessing.get_context("spawn")
    makers = [context.Process(target=make, args=(data / "ca", b"%d" % n)) for n in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
        assert maker.exitcode == 0
    winner = (data / "ca" / "certificate").read_bytes()
    assert (data / "ca" / "key").read_bytes() == winner * 100_000
    assert [path.name for path in data.iterdir()] == ["ca"]


def test_key_that_others_can_read_is_refused(data: Path) -> None:
    make_once(data / "ca", {"key": b"secret"})
    (data / "ca" / "key").chmod(0o640)
    with pytest.raises(UserError, match="can be read by others: remove"):
        read_own(data / "ca" / "key")


def test_key_of_another_user_is_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_once(data / "ca", {"key": b"secret"})
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(UserError, match="belongs to another user"):
        read_own(data / "ca" / "key")


def test_file_is_replaced_atomically(data: Path) -> None:
    make_once(data / "ca", {"key": b"old"})
    with (data / "ca" / "key").open("rb") as still_open:
        replace_file(data / "ca" / "key", b"new")
        assert still_open.read() == b"old"
    assert read_own(data / "ca" / "key") == b"new"
    assert [path.name for path in (data / "ca").iterdir()] == ["key"]


def test_unwritable_folder_is_a_user_error(data: Path) -> None:
    data.parent.parent.mkdir(parents=True)
    data.parent.write_text("a file in the way")
    with pytest.raises(UserError, match=r"cannot make .*: .*; use --tls-cert"):
        make_once(data / "ca", {"key": b""})
    with pytest.raises(UserError, match="cannot write"):
        replace_file(data / "key", b"")
    with pytest.raises(UserError, match="cannot read"):
        read_own(data / "key")


def test_user_without_a_home_is_a_user_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(UserError, match="no home"):
        data_folder()
