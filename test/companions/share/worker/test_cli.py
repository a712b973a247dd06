"""The program `http-process-share`: its command line, exit statuses and one-line errors."""

import signal
import subprocess
import sys

import pytest

from httpprocessproxy.companions.share.worker.cli import read_line
from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from test.companions.share.relays import Relay
from test.companions.share.workers import Worker, serving, shared
from test.deadline import PATIENCE_S
from test.ports import free_port


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "httpprocessproxy.companions.share.worker.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)


def test_command_line_is_parsed_into_settings() -> None:
    line = read_line(
        [
            *("https://r.test", "--to", "3000", "--share-name", "a", "--polls", "3"),
            *("--share-allow", "GET /a", "--allow", "PUT /b", "--transport", "poll"),
        ]
    )
    assert line.target == Address("localhost", 3000)
    assert (line.settings.host, line.settings.polls) == ("a.r.test", 3)
    assert [str(rule) for rule in line.settings.allowed] == ["GET /a", "PUT /b"]
    assert (line.settings.transport, line.settings.hides_own_pages) == ("poll", True)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "required"),
        (["http://r.test"], "--to"),
        (["r.test", "--to", "80"], "not a relay"),
        (["off", "--to", "80"], "RELAY is missing"),
        (["ftp://r.test", "--to", "80"], "not a relay"),
        (["http://u:p@r.test", "--to", "80"], "not a relay"),
        (["http://r.test/?x", "--to", "80"], "not a relay"),
        (["http://r.test:99999", "--to", "80"], "not a relay"),
        (["http://r.test", "--to", "x"], "not an address"),
        (["http://r.test", "--to", "80", "--polls", "0"], "not a number of calls"),
    ],
)
def test_invalid_arguments_raise_user_error(arguments: list[str], line: str) -> None:
    with pytest.raises(UserError, match=line):
        read_line(arguments)


def test_invalid_arguments_give_one_line_and_exit_status_2() -> None:
    done = run("nonsense", "--to", "80")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_wrong_token_gives_an_error_and_exit_status_1(public_relay: Relay) -> None:
    url = f"http://127.0.0.1:{public_relay.port}"
    done = run(url, "--to", "9", "--name", "share0.example.test")
    assert done.returncode == 1
    assert "the token is wrong, or the name is already taken" in done.stderr
    assert "does not answer" not in done.stderr


def test_unreachable_relay_is_reported(site: str) -> None:
    with serving() as port, Worker(_Nobody(), site, port) as worker:  # type: ignore[arg-type]
        worker.wait_line("does not answer \\(.*refused.*\\); trying again")


class _Nobody:
    """A relay whose port refuses connections."""

    def __init__(self) -> None:
        self.port = free_port()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_worker_with_128_plus_its_number(
    public_relay: Relay, site: str, signum: signal.Signals
) -> None:
    with shared(public_relay, site) as worker:
        worker.process.send_signal(signum)
        assert worker.process.wait(PATIENCE_S) == 128 + signum
