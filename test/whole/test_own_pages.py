"""`/_hpp/` for programs, and its refusal of untrusted clients."""

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from test.deadline import PATIENCE_S, eventually
from test.harness import Proxy, backend

SHOP = backend("shop.py")
SECRETS = ["/_hpp/", "/_hpp/status", "/_hpp/requests", "/_hpp/requests/1", "/_hpp/history"]


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    (tmp_path / "hook.py").write_text("200")
    with Proxy(tmp_path, SHOP) as proxy:
        yield proxy.running()


def ask(
    proxy: Proxy, method: str, target: str, body: str | None = None, **fields: str
) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE_S)
    connection.request(method, target, body, {"Accept": "application/json", **fields})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    is_json = response.headers.get_content_type() == "application/json"
    return response.status, json.loads(text) if is_json else {}


# Programs


def test_program_restarts_the_server_and_waits(proxy: Proxy) -> None:
    before = proxy.status()
    status, after = ask(proxy, "POST", "/_hpp/restart?wait=running,error")
    assert (status, after["state"]) == (200, "running")
    assert after["generation"] == before["generation"] + 1
    assert after["pid"] != before["pid"]
    history = ask(proxy, "GET", "/_hpp/history")[1]["states"]
    assert isinstance(history, list)
    assert [state["state"] for state in history][-3:] == ["killing", "loading", "running"]
    assert history[-3]["why"] == "restart asked for by a program"


def test_program_waits_for_the_generation_after_a_save(proxy: Proxy) -> None:
    generation = proxy.status()["generation"]
    answers: list[tuple[int, dict[str, object]]] = []
    target = f"/_hpp/status?wait=running,error&after={generation}"
    waiting = threading.Thread(target=lambda: answers.append(ask(proxy, "GET", target)))
    waiting.start()
    proxy.save("hook.py", "")
    waiting.join(PATIENCE_S)
    ((status, answer),) = answers
    assert (status, answer["state"], answer["returncode"]) == (200, "error", 1)


def test_waiting_program_does_not_delay_the_end(proxy: Proxy) -> None:
    with proxy.connect() as wire:
        wire.send(b"GET /_hpp/status?wait=error HTTP/1.1\r\nHost: localhost\r\n\r\n")
        ask(proxy, "GET", "/_hpp/status")
        proxy.stop(within_s=2)


def test_request_is_logged_and_replayed(proxy: Proxy) -> None:
    proxy.save("hook.py", "500")
    proxy.wait_state("running", after=1)
    assert ask(proxy, "POST", "/hook", "event")[0] == 500
    rows = ask(proxy, "GET", "/_hpp/requests")[1]["requests"]
    assert isinstance(rows, list)
    row = rows[0]
    assert (row["method"], row["target"], row["status"]) == ("POST", "/hook", 500)
    status, answer = ask(proxy, "POST", f"/_hpp/requests/{row['id']}/replay")
    assert status == 202

    def replayed() -> dict[str, object] | None:
        details = ask(proxy, "GET", f"/_hpp/requests/{answer['id']}")[1]
        return details if details["ended"] else None

    details = eventually(replayed)
    assert details is not None
    assert (details["status"], details["replay_of"]) == (500, row["id"])
    assert details["request_body"] == "event"


# Untrusted clients


@pytest.fixture(scope="module")
def wary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy that does not trust loopback."""
    project = tmp_path_factory.mktemp("wary")
    (project / "hook.py").write_text("200")
    with Proxy(project, SHOP, "--forwarded-allow-ips", "10.0.0.0/8") as proxy:
        eventually(lambda: proxy.get("/").status == 200)
        yield proxy


@pytest.mark.parametrize("target", [*SECRETS, "/_hpp/dashboard.js", "/_hpp/x", "/_hpp/client.js/"])
def test_untrusted_client_gets_403(wary: Proxy, target: str) -> None:
    for fields in ({}, {"X-Forwarded-For": "10.0.0.1"}, {"Forwarded": "for=10.0.0.1"}):
        status, answer = ask(wary, "GET", target, **fields)
        assert status == 403
        assert "--forwarded-allow-ips" in str(answer["detail"])
        assert "127.0.0.1" in str(answer["detail"])


@pytest.mark.parametrize(
    "target", ["/_hpp/restart", "/_hpp/requests/1/replay", "/_hpp/replay-failed?on=true"]
)
def test_post_of_an_untrusted_client_gets_403(wary: Proxy, target: str) -> None:
    assert ask(wary, "POST", target)[0] == 403
    assert "asked for" not in wary.output


def test_untrusted_client_gets_the_scripts(wary: Proxy) -> None:
    for target in ("/_hpp/client.js", "/_hpp/livereload.js"):
        assert wary.get(target).status == 200


def test_untrusted_client_gets_states_only(wary: Proxy) -> None:
    with connect(f"ws://127.0.0.1:{wary.port}/_hpp/events", proxy=None) as socket:
        socket.send(json.dumps({"type": "hello", "age_ms": 0, "topics": ["output", "request"]}))
        hello = json.loads(socket.recv(PATIENCE_S))
        assert hello["type"] == "hello"
        assert ask(wary, "POST", "/print", "a secret")[0] == 200
        socket.send(json.dumps({"type": "subscribe", "topics": ["output", "request"]}))
        assert ask(wary, "POST", "/print", "a secret")[0] == 200
        wary.save("hook.py", "201")
        heard = json.loads(socket.recv(PATIENCE_S))
        assert (heard["type"], heard["state"]) == ("state", "killing")


def test_client_behind_a_trusted_proxy_is_untrusted(proxy: Proxy) -> None:
    for fields in ({"X-Forwarded-For": "192.0.2.7"}, {"Forwarded": "for=192.0.2.7"}):
        for target in SECRETS:
            status, answer = ask(proxy, "GET", target, **fields)
            assert status == 403
            assert "192.0.2.7" in str(answer["detail"])
    assert ask(proxy, "GET", "/_hpp/status", **{"X-Forwarded-For": "127.0.0.1"})[0] == 200
