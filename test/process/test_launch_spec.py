"""The launch specification: port and socket in command and environment, and the variables file."""

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from httpprocessproxy.config import AUTO, NOWHERE, Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.process import (
    InheritedSocket,
    LaunchContext,
    Launcher,
    LaunchSpec,
    Output,
    SpawnError,
    in_folder,
)
from test.process.generations import TREE, with_output

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
def test_port_placeholder_in_command_is_replaced(word: str, becomes: str | None) -> None:
    # Braces have other meanings in commands: only the exact placeholder is replaced.
    becomes = becomes or word.replace("{{port}}", "{8001}")
    assert LaunchSpec(("serve", word), ADDRESS).words == ("serve", becomes)


def test_port_variable_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "3000")
    assert LaunchSpec(("serve",), ADDRESS).environment() == {**os.environ, "PORT": "8001"}


def test_env_file_adds_variables_missing_from_environment(
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


def test_process_has_the_mark_of_its_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also below another proxy, whose mark it replaces."""
    monkeypatch.setenv("HPP_SERVICE", "1-2/outer")

    async def main(output: Output) -> None:
        await Launcher(LaunchSpec(("printenv", "HPP_SERVICE")), output, TREE).spawn().wait()
        assert output.tail.decode() == f"{TREE.environment['HPP_SERVICE']}\n"
        assert output.tail.endswith(b"/web\n")

    with_output(main)


@pytest.mark.parametrize(("value", "becomes"), [(None, "1"), ("", "1"), ("x", "x")])
def test_pythonunbuffered_defaults_to_1_without_terminal(
    value: str | None, becomes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    if value is not None:
        monkeypatch.setenv("PYTHONUNBUFFERED", value)

    async def main(output: Output) -> None:
        launch_spec = LaunchSpec(("printenv", "PYTHONUNBUFFERED"))
        await Launcher(launch_spec, output, TREE).spawn().wait()
        assert output.tail.decode() == f"{becomes}\n"

    with_output(main)


def test_env_file_is_read_at_each_start(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    launch_spec = LaunchSpec(("serve",), ADDRESS, file)
    for value in ("one", "two"):
        file.write_text(f"VALUE={value}")
        assert launch_spec.environment()["VALUE"] == value
    file.unlink()
    with pytest.raises(UserError, match="No such file"):
        launch_spec.environment()


def test_unreadable_env_file_fails_the_start(tmp_path: Path) -> None:
    async def main(output: Output) -> str:
        with pytest.raises(SpawnError) as caught:
            Launcher(LaunchSpec(("true",), ADDRESS, tmp_path / "none"), output, TREE).spawn()
        return str(caught.value)

    assert with_output(main) == f"cannot read {tmp_path / 'none'}: No such file or directory"


def test_chosen_port_is_kept_until_move() -> None:
    launch_spec = LaunchSpec(("serve", "{port}"))
    address = launch_spec.address
    assert address.host == AUTO.host
    with socket.create_server(("127.0.0.1", address.port)):
        assert launch_spec.words == ("serve", str(address.port))
        assert launch_spec.move()
        assert launch_spec.address.port != address.port
        assert launch_spec.words == ("serve", str(launch_spec.address.port))


def test_given_port_is_kept() -> None:
    launch_spec = LaunchSpec(("serve",), ADDRESS)
    assert not launch_spec.move()
    assert launch_spec.address == ADDRESS


def test_fd_placeholder_becomes_number_of_inherited_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    with closing(InheritedSocket(AUTO)) as inherited:
        launch_spec = LaunchSpec(("serve", "--fd={fd}", "{port}"), AUTO, inherited=inherited)
        assert launch_spec.address == inherited.address
        assert launch_spec.words == ("serve", "--fd=3", str(inherited.address.port))
        assert launch_spec.executed(launch_spec.words) == launch_spec.words
        assert launch_spec.environment()["LISTEN_FDS"] == "1"
        assert "LISTEN_PID" not in launch_spec.environment(), "it is another's"
        assert not launch_spec.move()


def test_command_without_fd_placeholder_runs_behind_shell() -> None:
    with closing(InheritedSocket(AUTO)) as inherited:
        launch_spec = LaunchSpec(("serve",), AUTO, inherited=inherited)
        assert launch_spec.words == ("serve",)
        assert launch_spec.executed(("serve",))[0] == "sh"
        assert launch_spec.executed(("serve",))[-2:] == ("sh", "serve")


def test_fd_placeholder_without_socket_is_unchanged() -> None:
    launch_spec = LaunchSpec(("find", "{fd}"), ADDRESS)
    assert launch_spec.executed(launch_spec.words) == launch_spec.words == ("find", "{fd}")
    assert "LISTEN_FDS" not in launch_spec.environment()


def test_other_command_has_the_same_port_and_environment_and_no_socket(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("NEW=file\n")
    with closing(InheritedSocket(AUTO)) as inherited:
        spec = LaunchSpec(("serve", "{fd}"), AUTO, file, inherited)
        other = spec.for_command(("build", "{port}", "{fd}"))
        assert other.words == ("build", str(spec.address.port), "{fd}")
        expected = {**spec.environment()}
        del expected["LISTEN_FDS"]
        assert other.environment() == expected
        assert not other.move()


def test_placeholders_of_other_services_have_their_present_values() -> None:
    values = {"db.port": "1"}
    context = LaunchContext(variables=(("URL", "db:{db.port}/{port}"),), values=lambda: values)
    launch_spec = LaunchSpec(("serve", "{db.port}", "{api.port}"), ADDRESS, context=context)
    assert launch_spec.words == ("serve", "1", "{api.port}")
    values["db.port"] = "2"
    assert launch_spec.words == ("serve", "2", "{api.port}")
    assert launch_spec.environment()["URL"] == "db:2/8001"
    assert launch_spec.for_command(("build", "{db.port}")).words == ("build", "2")
    assert launch_spec.filled(["{port}", "{db.port}"]) == ("8001", "2")


def test_service_without_a_port_has_no_port_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT", raising=False)
    launch_spec = LaunchSpec(("work", "{port}"), NOWHERE)
    assert "PORT" not in launch_spec.environment()
    assert launch_spec.words == ("work", "{port}")
    assert not launch_spec.move()


def test_variables_win_over_environment_file_and_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A", "environment")
    (tmp_path / ".env").write_text("A=file\nB=file")
    context = LaunchContext(variables=(("A", "table"), ("B", ""), ("PORT", "1{port}")))
    environment = LaunchSpec(("a",), ADDRESS, tmp_path / ".env", context=context).environment()
    assert (environment["A"], environment["B"], environment["PORT"]) == ("table", "", "18001")


@pytest.mark.parametrize("name", ["front end", "$(x)", "-a"])
def test_command_runs_in_its_folder(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDPATH", "/usr")
    folder = tmp_path / name
    folder.mkdir()
    (folder / "run").write_text('#!/bin/sh\necho "$PWD $1"\n')
    (folder / "run").chmod(0o755)

    async def main(output: Output) -> None:
        spec = LaunchSpec(("./run", "$HOME"), ADDRESS, context=LaunchContext(folder))
        assert await Launcher(spec, output, TREE).spawn().wait() == 0
        assert output.tail.decode() == f"{folder} $HOME\n"

    with_output(main)


def test_folder_and_pid_of_an_inherited_socket_are_set(tmp_path: Path) -> None:
    async def main(output: Output) -> None:
        with closing(InheritedSocket(AUTO)) as inherited:
            context = LaunchContext(tmp_path)
            command = ("sh", "-c", 'echo "$PWD $((LISTEN_PID - $$)) $LISTEN_FDS"')
            spec = LaunchSpec(command, AUTO, None, inherited, context)
            assert await Launcher(spec, output, TREE).spawn().wait() == 0
            assert output.tail.decode() == f"{tmp_path} 0 1\n"

    with_output(main)


def test_path_of_the_variables_finds_the_command(tmp_path: Path) -> None:
    (tmp_path / "only-here").write_text("#!/bin/sh\necho found\n")
    (tmp_path / "only-here").chmod(0o755)

    async def main(output: Output) -> None:
        context = LaunchContext(variables=(("PATH", f"{tmp_path}:/bin:/usr/bin"),))
        spec = LaunchSpec(("only-here",), ADDRESS, context=context)
        assert await Launcher(spec, output, TREE).spawn().wait() == 0
        assert output.tail == b"found\n"

    with_output(main)


@pytest.mark.parametrize(
    ("folder", "command", "text"),
    [
        ("none", "true", "there is no folder"),
        (".", "./none", "cannot start './none': No such file or directory"),
        (".", "no-such-command", "cannot start 'no-such-command': No such file or directory"),
    ],
)
def test_missing_folder_or_command_fails_the_start(
    tmp_path: Path, folder: str, command: str, text: str
) -> None:
    async def main(output: Output) -> str:
        spec = LaunchSpec((command,), ADDRESS, context=LaunchContext(tmp_path / folder))
        with pytest.raises(SpawnError) as caught:
            Launcher(spec, output, TREE).spawn()
        return str(caught.value)

    assert text in with_output(main)


def test_command_in_our_own_folder_is_unchanged() -> None:
    assert in_folder(("a", "b"), None) == ("a", "b")
    assert LaunchSpec(("a",), ADDRESS).folder == Path.cwd()
