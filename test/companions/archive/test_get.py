"""`http-process-archive get` as a real program, with and without a running proxy."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from test.companions.archive.origins import Origin
from test.deadline import PATIENCE_S, eventually
from test.harness import Proxy, backend
from test.https import HttpsProxy
from test.ports import free_port
from test.pseudo_terminal import Terminal

COMMAND = (sys.executable, "-m", "httpprocessproxy.companions.archive.cli", "get")


def get(folder: Path, *words: str) -> tuple[int, list[str]]:
    """Run `get`, and return its exit status and the lines of standard error."""
    done = subprocess.run(
        (*COMMAND, *words), cwd=folder, capture_output=True, timeout=PATIENCE_S, check=False
    )
    assert not done.stdout
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode, done.stderr.decode().splitlines()


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A running proxy; the configuration file in its folder contains its address."""
    project = tmp_path_factory.mktemp("beside") / "project"
    with serving(project) as proxy:
        yield proxy


@contextlib.contextmanager
def serving(project: Path, kind: type[Proxy] = Proxy) -> Iterator[Proxy]:
    project.mkdir()
    (project / "page.py").write_text('PAGES = {"/about": "<html><body>About</body></html>"}')
    (project / "data.txt").write_text("data")
    with kind(project, backend("page_site.py")) as proxy:
        bind, behind = proxy.port, proxy.backend_port
        # Written after the start, so that only `get` reads it.
        file = f'bind = "127.0.0.1:{bind}"\nbackend = "127.0.0.1:{behind}"\n'
        (project / "http-process-proxy.toml").write_text(file)
        yield proxy.running()


def test_archive_has_pages_of_the_site_and_of_other_hosts(proxy: Proxy, origin: Origin) -> None:
    words = ("out.zip", "/about", "/data.txt", f"{origin.url}/text/page")
    assert get(proxy.project, *words)[0] == 0
    assert members(proxy.project / "out.zip") == {
        "about": b"<html><body>About</body></html>",  # without the injected script
        "data.txt": b"data",
        "page": b"text of /text/page",
    }


def test_result_is_printed_in_one_line(proxy: Proxy) -> None:
    path = proxy.project / "told.zip"
    status, (line,) = get(proxy.project, "told.zip", "/about")
    assert (status, line) == (0, f"told.zip: 1 of 1 items, {path.stat().st_size} B")
    assert not list(proxy.project.glob(".*.part"))


def test_missing_item_is_listed_and_exits_with_1(proxy: Proxy) -> None:
    status, lines = get(proxy.project, "out.zip", "/about", "/none")
    assert status == 1
    assert lines[0] == "http-process-archive: /none: the answer was 404"
    assert lines[1].startswith("out.zip: 1 of 2 items, ")
    assert members(proxy.project / "out.zip")["_errors.txt"] == b"/none: the answer was 404\n"


def test_site_option_replaces_the_configuration_file(proxy: Proxy, tmp_path: Path) -> None:
    for site in (f"127.0.0.1:{proxy.port}", f"http://127.0.0.1:{proxy.port}"):
        assert get(tmp_path, "out.zip", "/data.txt", "--site", site)[0] == 0
        assert members(tmp_path / "out.zip") == {"data.txt": b"data"}


def test_get_waits_while_the_server_restarts(proxy: Proxy) -> None:
    before = proxy.wait_state("running")["generation"]
    proxy.save("page.py", 'import time; time.sleep(0.5); PAGES = {"/new": "new"}')
    proxy.wait_state("loading", after=before)
    assert get(proxy.project, "out.zip", "/new")[0] == 0
    assert members(proxy.project / "out.zip") == {"new": b"new"}
    with proxy.restart():
        proxy.save("page.py", 'PAGES = {"/about": "<html><body>About</body></html>"}')


def test_certificate_of_the_own_proxy_is_not_verified_but_that_of_a_url_is(tmp_path: Path) -> None:
    project = tmp_path / "project"
    with serving(project, HttpsProxy) as proxy:
        assert get(project, "out.zip", "/about", "/data.txt")[0] == 0
        assert members(project / "out.zip")["about"] == b"<html><body>About</body></html>"
        # The certificate of an explicit URL is verified.
        site = f"https://localhost:{proxy.port}"
        status, lines = get(project, "out.zip", "/data.txt", "--site", site)
    assert status == 1
    assert "certificate" in lines[0].lower()


@pytest.mark.parametrize("words", [("/a",), ("/a", "http://192.0.2.1/")])
def test_path_without_a_site_is_a_usage_error(words: Sequence[str], tmp_path: Path) -> None:
    status, (line,) = get(tmp_path, "out.zip", *words)
    assert status == 2
    assert line.startswith("http-process-archive: no site for a /path: BIND is missing")
    assert not list(tmp_path.iterdir())


def test_proxy_that_does_not_run_exits_with_4(tmp_path: Path) -> None:
    port = free_port()
    status, (line,) = get(tmp_path, "out.zip", "/a", "--site", f"127.0.0.1:{port}")
    assert status == 4
    assert f"no answer at 127.0.0.1:{port}" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "required"),
        (("out.zip",), "required"),
        (("out.zip", "about"), "only http and https: 'about'"),
        (("out.zip", "ftp://a.test/"), "only http and https"),
        (("out.zip", "http://u:p@a.test/"), "user or password"),
        (("out.zip", "//a.test/", "--site", "http://a.test"), "only http and https"),
        (("out.zip", "/a", "--site", "http://a.test/b"), "--site: not an origin"),
        (("out.zip", "/a", "--site", "nonsense"), "not an address"),
        (("out.zip", "http://a.test/", "--allow", "a.test"), "a.test"),
        (("nowhere/out.zip", "http://192.0.2.1/"), "cannot write nowhere/out.zip"),
        ((".", "http://192.0.2.1/"), ". exists and is not a file"),
    ],
)
def test_invalid_argument_is_a_usage_error(words: Sequence[str], why: str, tmp_path: Path) -> None:
    status, (line,) = get(tmp_path, *words)
    assert status == 2
    assert line.startswith("http-process-archive: ")
    assert why in line
    assert not list(tmp_path.iterdir())


def test_redirect_to_an_unnamed_host_is_refused(origin: Origin, tmp_path: Path) -> None:
    with redirecting(f"{origin.url}/text/there") as url:
        status, lines = get(tmp_path, "out.zip", url)
        assert status == 1
        assert lines[0].endswith(f": redirected: {origin.url} is not allowed")
        assert not origin.requests
        assert get(tmp_path, "out.zip", url, "--allow", origin.url)[0] == 0
        assert list(members(tmp_path / "out.zip").values()) == [b"text of /text/there"]
    assert get(tmp_path, "out.zip", f"{origin.url}/moved/x")[0] == 0, "a redirect to a named host"


@contextlib.contextmanager
def redirecting(to: str) -> Iterator[str]:
    """Serve a redirect to `to`, and yield the server's URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", to)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join(PATIENCE_S)


def test_strict_failure_keeps_the_existing_file(origin: Origin, tmp_path: Path) -> None:
    path = tmp_path / "out.zip"
    path.write_text("old")
    words = ("out.zip", f"{origin.url}/text/a", f"{origin.url}/dies/b", "--strict")
    status, (line,) = get(tmp_path, *words)
    assert status == 1
    assert f"{origin.url}/dies/b: b is not whole: " in line
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_leaves_no_file(number: signal.Signals, origin: Origin, tmp_path: Path) -> None:
    with subprocess.Popen((*COMMAND, "out.zip", f"{origin.url}/held/a"), cwd=tmp_path) as process:
        eventually(lambda: origin.asked("/held/a"))
        eventually(lambda: list(tmp_path.glob(".*.part")))
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 128 + number
    assert not list(tmp_path.iterdir())


def test_write_error_exits_with_1_and_leaves_no_file(origin: Origin, tmp_path: Path) -> None:
    url = f"{origin.url}/endless/a"
    # The maximum size of a file, in blocks of 512 or 1024 bytes.
    limited = ("sh", "-c", 'ulimit -f 64; trap "" XFSZ; exec "$@"', "sh", *COMMAND)
    done = subprocess.run(
        (*limited, "out.zip", url), cwd=tmp_path, capture_output=True, timeout=PATIENCE_S
    )
    assert done.returncode == 1
    assert done.stderr == b"http-process-archive: cannot write out.zip: File too large\n"
    assert not list(tmp_path.iterdir())


def test_progress_bar_is_shown_on_a_terminal(origin: Origin, tmp_path: Path) -> None:
    urls = [f"{origin.url}/{path}" for path in ("text/a", "held/b")]
    environment = {**os.environ, "COLUMNS": "100"}
    with Terminal((*COMMAND, "out.zip", *urls), tmp_path, environment) as terminal:
        terminal.wait_for(r"\[ {20}\] 1/2  0 B  0 B/s  http://")
        eventually(lambda: origin.asked("/held/b"))
        origin.released.set()
        end = terminal.wait_for("out.zip: 2 of 2 items")
        assert terminal.screen[:end].endswith("\r\x1b[Kout.zip: 2 of 2 items")
        assert terminal.wait_end() == 0
