"""The diagnosis of a server that does not answer: lines in the terminal, and pages."""

import asyncio
import sys
from pathlib import Path

import pytest

from httpprocessproxy.config import Address
from httpprocessproxy.core.silence import Silence
from httpprocessproxy.service.diagnosis import elsewhere, last_line, silent, watch_for_silence
from test.deadline import eventually
from test.harness import Proxy, backend
from test.tls import make_pair

TLS_SERVER = """
import http.server, ssl, sys
handler = http.server.SimpleHTTPRequestHandler
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
ELSEWHERE = """
import http.server, sys
handler = http.server.SimpleHTTPRequestHandler
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1]) + 1), handler).serve_forever()
"""
SILENT = """
import sys, time
print("loading the model", flush=True)
time.sleep(1000)
"""
MUTE = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(1000)
"""


def command(project: Path, source: str, *arguments: str) -> list[str]:
    script = project / "server.py"
    script.write_text(source)
    return [sys.executable, str(script), "{port}", *arguments]


def test_server_on_another_port_is_reported_with_that_port(project: Path) -> None:
    with Proxy(project, command(project, ELSEWHERE), "--start-timeout", "1") as proxy:
        proxy.wait_output(r"takes longer than --start-timeout \(1 s\): requests get 503")
        there = proxy.backend_port + 1
        line = (
            rf"no answer after 2 s: the server listens at 127\.0\.0\.1:{there}, not at "
            rf"127\.0\.0\.1:{proxy.backend_port}: use {there} as BACKEND"
        )
        proxy.wait_output(line)
        eventually(lambda: b"listens at" in proxy.get("/").body)
        assert proxy.get("/").status == 503


@pytest.mark.parametrize(
    ("place", "advice"),
    [
        (Address("0.0.0.0", 3000), "use 3000 as BACKEND"),
        (Address("::", 3000), "use 3000 as BACKEND"),
        (Address("192.0.2.1", 3000), "use 192.0.2.1:3000 as BACKEND"),
        (Address("::1", 8001), "use [::1]:8001 as BACKEND"),
    ],
)
def test_advice_names_an_address_valid_as_backend(place: Address, advice: str) -> None:
    assert advice in elsewhere(Address("127.0.0.1", 8001), [place], is_inherited=False)


def test_server_that_speaks_tls_is_reported(project: Path, tmp_path: Path) -> None:
    pair = map(str, make_pair(tmp_path / "pair"))
    with Proxy(project, command(project, TLS_SERVER, *pair)) as proxy:
        proxy.wait_output(r"no answer after 2 s: .* speaks TLS")


def test_server_that_does_not_listen_is_reported_with_its_last_output(project: Path) -> None:
    with Proxy(project, command(project, SILENT)) as proxy:
        proxy.wait_output("the server does not listen yet, its last output: loading the model")


def test_server_that_does_not_answer_http_is_reported(project: Path) -> None:
    with Proxy(project, command(project, MUTE)) as proxy:
        proxy.wait_output("accepts connections, but does not answer an HTTP request yet")


def test_unused_inherited_socket_is_reported(project: Path) -> None:
    with Proxy(project, command(project, ELSEWHERE), "--socket") as proxy:
        proxy.wait_output("not on the socket that it inherits")


def test_start_that_answers_soon_is_not_diagnosed(project: Path) -> None:
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        assert "no answer" not in proxy.output


@pytest.mark.parametrize("variable", ["RUN_MAIN", "WERKZEUG_RUN_MAIN"])
def test_reloader_in_the_process_tree_is_reported_once(project: Path, variable: str) -> None:
    words = ["env", f"{variable}=true", *backend("echo.py")]
    with Proxy(project, ["sh", "-c", '"$@" & wait', "sh", *words]) as proxy:
        proxy.running()
        proxy.wait_output("own reloader is on: add --no")
        with proxy.restart():
            proxy.save("a.py", "")
        assert proxy.output.count("own reloader is on") == 1


def test_last_line_is_plain_not_blank_and_cut() -> None:
    assert last_line(b"one\n\n  two  \n\n") == "two"
    assert last_line(b"\x1b[31mred\x1b[0m") == "red"
    assert last_line(b"") == ""
    assert len(last_line(b"x" * 1000)) < 200


# A server that has stopped answering


class Looks:
    """The silence at each look, and whether the server answers a ping."""

    def __init__(self, *silences: float | None, answers: bool = False) -> None:
        self.said: list[str] = []
        self.asked = 0
        self._answers = answers
        self._silences = iter(silences)
        self._present: Silence | None = None

    def __call__(self) -> Silence | None:
        return self._present

    async def answer(self) -> bool:
        self.asked += 1
        return self._answers

    async def all(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Watch all silences; return the reports."""

        async def sleep(_: float) -> None:
            lasted_s = next(self._silences)
            self._present = None if lasted_s is None else Silence(2, lasted_s)

        monkeypatch.setattr(asyncio, "sleep", sleep)
        with pytest.raises(RuntimeError):  # StopIteration in a coroutine: the silences are used up
            await watch_for_silence(self, self.answer, self.said.append)
        return self.said


@pytest.mark.parametrize(
    ("silences", "times"),
    [
        ((0.0, 5.0, 29.0, None), 0),
        ((0.0, 30.0), 1),
        ((30.0, 35.0, 300.0), 1),
        ((30.0, None, 65.0), 1),
        ((30.0, 0.0, 29.0, 31.0), 2),
    ],
    ids=["short", "long", "said once", "clients that leave", "two silences"],
)
def test_each_silence_of_the_server_is_reported_once(
    silences: tuple[float | None, ...], times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = asyncio.run(Looks(*silences).all(monkeypatch))
    assert len(said) == times
    assert all("answered nothing for 3" in text and "2 requests wait" in text for text in said)


def test_server_that_answers_pings_is_not_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = Looks(30.0, 35.0, 59.0, 60.0, 119.0, 120.0, 123.0, answers=True)
    assert asyncio.run(looks.all(monkeypatch)) == []
    assert looks.asked == 3  # after 30, 60 and 120 s


def test_single_waiting_request_is_reported_in_the_singular() -> None:
    assert "(1 request waits)" in silent(Silence(1, 30.2))
