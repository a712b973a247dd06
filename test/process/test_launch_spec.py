"""What a start is made of: the port in the command and the environment, and what a file adds."""

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from httpprocessproxy.config import AUTO, Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.process import InheritedSocket, Launcher, LaunchSpec, Output, SpawnError
from test.process.generations import with_output

ADDRESS = Address("localhost", 8001)


@pytest.mark.parametrize(
    ("word", "becomes"),
    [
        ("{port}", "8001"),
        ("--bind=127.0.0.1:{port},[::1]:{port}", "--bind=127.0.0.1:8001,[::1]:8001"),
        ("awk '{print}' {} {0} {ports} {{port}} ${port:-1}", None),
        ("{ port }", "{ port }"),
        ("{PORT}", "{PORT}"),
        ("%(port)s $PORT", "%(port)s $PORT"),
    ],
)
def test_the_port_in_the_command(word: str, becomes: str | None) -> None:
    # Braces mean much in other languages: only the very text is ours.
    becomes = becomes or word.replace("{{port}}", "{8001}")
    assert LaunchSpec(("serve", word), ADDRESS).words == ("serve", becomes)


def test_the_port_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "3000")
    assert LaunchSpec(("serve",), ADDRESS).environment() == {**os.environ, "PORT": "8001"}


def test_the_file_adds_what_the_environment_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "environment")
    file = tmp_path / ".env"
    file.write_text("OURS=file\nPORT=3000\nNEW=file\nURL=http://localhost:${PORT}/\n")
    environment = LaunchSpec(("serve",), ADDRESS, file).environment()
    assert environment == {
        **os.environ,
        "PORT": "8001",
        "NEW": "file",
        "URL": "http://localhost:8001/",
    }


@pytest.mark.parametrize(("value", "becomes"), [(None, "1"), ("", "1"), ("x", "x")])
def test_python_does_not_hold_prints_back_without_a_terminal(
    value: str | None, becomes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    if value is not None:
        monkeypatch.setenv("PYTHONUNBUFFERED", value)

    async def main(output: Output) -> None:
        launch_spec = LaunchSpec(("printenv", "PYTHONUNBUFFERED"))
        await Launcher(launch_spec, output).spawn().wait()
        assert output.tail.decode() == f"{becomes}\n"

    with_output(main)


def test_the_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    launch_spec = LaunchSpec(("serve",), ADDRESS, file)
    for value in ("one", "two"):
        file.write_text(f"VALUE={value}")
        assert launch_spec.environment()["VALUE"] == value
    file.unlink()
    with pytest.raises(UserError, match="No such file"):
        launch_spec.environment()


def test_a_bad_file_is_why_a_start_fails(tmp_path: Path) -> None:
    async def main(output: Output) -> str:
        with pytest.raises(SpawnError) as caught:
            Launcher(LaunchSpec(("true",), ADDRESS, tmp_path / "none"), output).spawn()
        return str(caught.value)

    assert with_output(main) == f"cannot read {tmp_path / 'none'}: No such file or directory"


def test_a_chosen_port_is_free_and_stays() -> None:
    launch_spec = LaunchSpec(("serve", "{port}"))
    address = launch_spec.address
    assert address.host == AUTO.host
    with socket.create_server(("127.0.0.1", address.port)):
        assert launch_spec.words == ("serve", str(address.port))
        assert launch_spec.move()
        assert launch_spec.address.port != address.port
        assert launch_spec.words == ("serve", str(launch_spec.address.port))


def test_a_given_port_is_not_left() -> None:
    launch_spec = LaunchSpec(("serve",), ADDRESS)
    assert not launch_spec.move()
    assert launch_spec.address == ADDRESS


def test_a_socket_of_ours_has_a_number_in_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    with closing(InheritedSocket(AUTO)) as inherited:
        launch_spec = LaunchSpec(("serve", "--fd={fd}", "{port}"), AUTO, inherited=inherited)
        assert launch_spec.address == inherited.address
        assert launch_spec.words == ("serve", "--fd=3", str(inherited.address.port))
        assert launch_spec.executed(launch_spec.words) == launch_spec.words
        assert launch_spec.environment()["LISTEN_FDS"] == "1"
        assert "LISTEN_PID" not in launch_spec.environment(), "it is another's"
        assert not launch_spec.move()


def test_a_server_that_is_not_told_the_number_finds_its_pid() -> None:
    with closing(InheritedSocket(AUTO)) as inherited:
        launch_spec = LaunchSpec(("serve",), AUTO, inherited=inherited)
        assert launch_spec.words == ("serve",)
        assert launch_spec.executed(("serve",))[0] == "sh"
        assert launch_spec.executed(("serve",))[-2:] == ("sh", "serve")


def test_without_a_socket_its_number_is_no_word_of_ours() -> None:
    launch_spec = LaunchSpec(("find", "{fd}"), ADDRESS)
    assert launch_spec.executed(launch_spec.words) == launch_spec.words == ("find", "{fd}")
    assert "LISTEN_FDS" not in launch_spec.environment()
