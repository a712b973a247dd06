"""Start and shutdown of the program, and errors at its start."""

import signal
import socket
from pathlib import Path

import pytest

from httpprocessproxy.companions.archive.cli import main
from test.companions.archive.origins import Origin
from test.companions.archive.service.services import Service, sqlite
from test.deadline import PATIENCE_S


def test_running_download_completes_after_a_signal(origin: Origin, tmp_path: Path) -> None:
    with Service(sqlite(tmp_path), "--allow", origin.url) as service:
        id_ = service.ticket(service.client(), f"{origin.url}/held/a")
        with service.begin(id_) as wire:
            wire.head()
            service.process.send_signal(signal.SIGINT)
            service.wait_line("ends; downloads under way have 5 s")
            origin.released.set()
            wire.until(b"\r\n0\r\n\r\n")
        assert service.process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("127.0.0.1", "Address already in use"),
        ("256.0.0.1", "Name or service not known"),
    ],
)
def test_address_that_cannot_be_bound_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str, reason: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        where = ("--host", host, "--port", str(port), "--db-url", sqlite(tmp_path))
        assert main(("server", "run", *where)) == 2
    err = capsys.readouterr().err
    assert f"http-process-archive: cannot listen on {host}:{port}: {reason}" in err


def test_ticket_is_usable_after_a_restart_and_not_logged(origin: Origin, tmp_path: Path) -> None:
    with Service(sqlite(tmp_path), "--allow", origin.url) as service:
        id_ = service.ticket(service.client(), f"{origin.url}/text/a")
    with Service(sqlite(tmp_path), "--allow", origin.url) as service:
        assert service.download(id_).members == {"a": b"text of /text/a"}
        assert id_ not in service.output
        assert origin.url not in service.output
