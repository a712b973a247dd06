"""The program's lines in the terminal: as text or JSON, verbose or quiet."""

import json
from collections.abc import Mapping
from pathlib import Path

from test.building import building, held
from test.harness import Proxy, backend


def parsed(output: str) -> list[Mapping[str, object]]:
    """The proxy's own lines; lines of the backend are not JSON."""
    return [json.loads(line) for line in output.splitlines() if line.startswith('{"time"')]


def test_start_restart_and_crash_are_printed(project: Path) -> None:
    with Proxy(project, backend("crash.py")) as proxy:
        proxy.wait_output(r"exited with status \d+, after \d+ ms: waiting for a change\n")
        assert f"  open        {proxy.url}/\n" in proxy.output
        own_port = f"http://127.0.0.1:{proxy.dashboard_port}/"
        named = f"http://hpp.localhost:{proxy.port}/"
        assert f"  dashboard   {named} or {own_port}\n" in proxy.output
        assert "keys" not in proxy.output, "the output is not a terminal"
        assert "\x1b" not in proxy.output, "the lines have no colours"
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.wait_output(r"started in \d+ ms\n")
        proxy.save("a.py", "")
        proxy.wait_output(r"restarted in \d+ ms: a\.py\n")
        assert "->" not in proxy.output, "transitions need --debug"


def test_quiet_prints_the_backends_output_and_errors_only(project: Path) -> None:
    with Proxy(project, ["sh", "-c", "echo mine; exit 3"], "--quiet") as proxy:
        found = proxy.wait_output(r"exited with status 3, after \d+ ms: waiting for a change\n")
        assert proxy.output == f"mine\n{found[0]}"


def test_requests_are_printed_with_log_requests_only(project: Path) -> None:
    with Proxy(project, backend("echo.py"), "--log-requests") as proxy:
        proxy.running().get("/some/path?query")
        proxy.wait_output(r"GET /some/path\?query 200 \d+ ms [\d.]+ k?B\n")
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running().get("/some/path?query")
        proxy.save("a.py", "")
        proxy.wait_output("restarted in")
        assert "/some/path" not in proxy.output


def test_held_request_is_printed_with_its_wait(project: Path) -> None:
    with building(project, "--log-requests") as proxy, proxy.connect() as wire:
        assert held(proxy, wire, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200
        proxy.wait_output(r"GET / 200 [\d.]+ m?s .*\(held [\d.]+ m?s\)\n")


def test_json_logs_have_start_states_and_requests(project: Path) -> None:
    with Proxy(project, backend("echo.py"), "--json-logs", "--log-requests") as proxy:
        proxy.running().get("/some/path")
        with proxy.restart():
            proxy.save("a.py", "")
        proxy.wait_output('"event": "state".*"state": "running".*"paths": \\["a.py"\\]')
        lines = parsed(proxy.output)
    assert lines[0]["event"] == "start"
    assert lines[0]["urls"] == [f"{proxy.url}/"]
    states = [line["state"] for line in lines if line["event"] == "state"]
    assert states == ["loading", "running", "killing", "loading", "running"]
    requests = [line for line in lines if line["event"] == "request"]
    assert "/some/path" in [line["target"] for line in requests]
    assert {line["level"] for line in lines} == {"info"}


def test_open_without_a_browser_prints_the_url(project: Path) -> None:
    environment = {"BROWSER": "/bin/false", "DISPLAY": "", "WAYLAND_DISPLAY": ""}
    with Proxy(project, backend("echo.py"), "--open", environment=environment) as proxy:
        proxy.wait_output(f"no browser to open here: {proxy.url}/\n")
