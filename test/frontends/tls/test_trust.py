"""`--trust` asks before it changes a store, and runs only the commands that it has shown."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.frontends.tls import trust_stores as stores
from httpprocessproxy.frontends.tls.certificate_authority import find_authority
from httpprocessproxy.frontends.tls.trust import chromium_command, trust, trust_command
from httpprocessproxy.frontends.tls.trust_stores import Store


@pytest.fixture(autouse=True)
def _no_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_SYSTEMS", ())


class User:
    """A fake user: records the shown text, and gives its answers one after the other."""

    def __init__(self, *answers: bool) -> None:
        self.read: list[str] = []
        self._answers = list(answers)

    def show(self, text: str) -> None:
        self.read.append(text)

    def ask(self, question: str) -> bool:
        return self._answers.pop(0)


def database() -> Path:
    return Path(os.environ["HOME"]) / ".pki/nssdb"


def test_commands_are_shown_and_run_after_a_yes() -> None:
    user = User(True)
    assert trust(user.show, user.ask) == 0
    authority = find_authority()
    assert str(authority.file) in user.read[0]
    assert f"certutil -d sql:{database()} -A -t C,, " in user.read[1]
    assert stores.in_nss(database(), authority)


def test_no_command_runs_after_a_no() -> None:
    user = User(False)
    assert trust(user.show, user.ask) == 0
    assert not database().exists()


def test_second_run_asks_nothing() -> None:
    trust(User().show, lambda _: True)
    user = User()
    assert trust(user.show, user.ask) == 0
    assert user.read[1] == "Everything that was found here trusts it."


def test_failed_command_ends_the_store_with_exit_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Store("nobody", (("false",), ("touch", "/nowhere/never")))
    monkeypatch.setattr("httpprocessproxy.frontends.tls.trust.missing", lambda *_: [broken])
    user = User(True)
    assert trust(user.show, user.ask) == 1
    assert user.read[-1] == "false failed: exit status 1"


def test_missing_tool_is_a_user_error_that_names_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find_authority()
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "mkdir").symlink_to("/bin/mkdir")
    with pytest.raises(UserError, match="certutil is missing: install libnss3-tools"):
        trust(User().show, lambda _: True)


def test_command_for_windows_is_shown_under_wsl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "release", lambda: "5.15.1-microsoft-standard-WSL2")
    user = User(False)
    trust(user.show, user.ask)
    assert "certutil.exe -user -addstore Root" in user.read[-1]


def test_trust_command_can_be_run_by_a_shell() -> None:
    authority = find_authority()
    subprocess.run(trust_command(authority), shell=True, check=True)
    assert stores.in_nss(database(), authority)
    assert trust_command(authority) == "", "it is trusted"


def test_trust_command_on_macos_is_security(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = find_authority()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert trust_command(authority).startswith("security add-trusted-cert ")


def test_chromium_command_forces_quic_and_accepts_the_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert chromium_command(Address.parse("8000"), "abc=") == (
        "chromium --user-data-dir=$(mktemp -d) --origin-to-force-quic-on=localhost:8000 "
        "--ignore-certificate-errors-spki-list=abc= https://localhost:8000/"
    )
    (tmp_path / "google-chrome").touch(mode=0o755)
    assert chromium_command(Address.parse(":1"), "x").startswith(f"{tmp_path}/google-chrome ")


# The program


def program(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "httpprocessproxy", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def test_program_without_a_terminal_changes_nothing() -> None:
    done = program("--trust", stdin="y\n")
    assert done.returncode == 2
    assert done.stderr.startswith("http-process-proxy: --trust asks before it changes anything")
    assert not database().exists()


def test_program_with_yes_runs_without_asking(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # No test may change this machine's own store.
    for tool in ("certutil", "mkdir"):
        found = subprocess.run(["which", tool], capture_output=True, text=True, check=True)
        (tmp_path / tool).symlink_to(found.stdout.strip())
    monkeypatch.setenv("PATH", str(tmp_path))
    done = program("--trust", "--yes")
    assert done.returncode == 0, done.stderr
    assert stores.in_nss(database(), find_authority())
