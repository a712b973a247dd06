"""Errors in the options of HTTPS: one line, and exit status 2."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from test.deadline import PATIENCE_S
from test.ports import free_port
from test.tls import make_pair


def refusal(folder: Path, *options: str, bind: str = "", within: Sequence[str] = ()) -> str:
    """The one line of the error with which the program exits."""
    bind = bind or f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "httpprocessproxy", bind, "auto", "--livereload-port", "0"]
    done = subprocess.run(
        [*within, *command, *options, "--exec", "sleep", "60"],
        capture_output=True,
        check=False,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": "", "CAROOT": ""},
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("http-process-proxy: ").rstrip()


def junk(folder: Path) -> list[Path]:
    (folder / "junk.pem").write_text("junk")
    return [folder / "junk.pem"]


def mismatched(folder: Path) -> list[Path]:
    return [make_pair(folder)[0], make_pair(folder, "other")[1]]


def expired(folder: Path) -> list[Path]:
    return list(make_pair(folder, days=-1))


def keyless(folder: Path) -> list[Path]:
    return list(make_pair(folder)[:1])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: [folder / "nowhere.pem"], "cannot read the certificate"),
        (junk, "has no certificate in PEM format"),
        (mismatched, "does not belong to the certificate"),
        (expired, "has expired, on "),
        (keyless, "has no private key in PEM format"),
    ],
)
def test_invalid_certificate_is_refused(
    make: Callable[[Path], list[Path]], reason: str, tmp_path: Path
) -> None:
    names = ("--tls-cert", "--tls-key")
    options = [word for pair in zip(names, make(tmp_path), strict=False) for word in map(str, pair)]
    assert reason in refusal(tmp_path, *options)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_unreadable_key_is_refused(tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path)
    key.chmod(0o600)
    options = ("--tls-cert", str(certificate), "--tls-key", str(key))
    # Root can read every file, unless it lacks these capabilities.
    without = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
    os.chown(key, 4711, 4711)
    assert refusal(tmp_path, *options, within=without) == (
        f"cannot read the private key {key}: Permission denied"
    )


def test_key_without_a_certificate_is_refused(tmp_path: Path) -> None:
    line = "--tls-key goes with a certificate: add --tls-cert FILE"
    assert refusal(tmp_path, "--tls-key", "key.pem") == line


def test_read_only_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".local").write_text("a file in the way")
    line = refusal(tmp_path, "--tls")
    assert line.startswith(f"cannot make {tmp_path}/.local/share/http-process-proxy/tls/ca: ")
    assert line.endswith("use --tls-cert and --tls-key, or set XDG_DATA_HOME")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give the right up")
def test_privileged_port_is_refused(tmp_path: Path) -> None:
    without = ("setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service")
    line = refusal(tmp_path, "--tls", bind="127.0.0.1:443", within=without)
    assert line.startswith("BIND 127.0.0.1:443: ports below 1024 are root's; choose another")


def test_taken_udp_port_is_refused(tmp_path: Path) -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port))
        line = refusal(tmp_path, "--http3", bind=f"127.0.0.1:{port}")
    assert line.startswith(f"UDP port {port} is in use")


@pytest.mark.parametrize(
    ("missing", "option", "extra"),
    [("cryptography", "--tls", "tls"), ("h2", "--tls", "tls"), ("aioquic", "--http3", "http3")],
)
def test_missing_extra_is_refused(
    missing: str, option: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = tmp_path / "stubs" / f"{missing}.py"
    stub.parent.mkdir()
    stub.write_text(f"raise ModuleNotFoundError('none', name='{missing}')")
    path = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{stub.parent}:{path}")
    wanted = f"{option} needs {missing}: pip install 'http-process-proxy[{extra}]'"
    assert refusal(tmp_path, option) == wanted


def test_run_without_tls_imports_no_extra(tmp_path: Path) -> None:
    """The plain installation has none of them."""
    code = (
        "import sys, httpprocessproxy.app, httpprocessproxy.cli.program; "
        "print({'h2', 'aioquic', 'cryptography', 'uvicorn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_setpriv_is_installed() -> None:
    assert shutil.which("setpriv")
