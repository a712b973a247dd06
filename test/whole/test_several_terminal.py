"""Several services at one terminal: prefixes, and each alone by its key."""

import json
from pathlib import Path

import pytest

from httpprocessproxy.process import Keyboard
from test import processes
from test.deadline import MS, eventually
from test.harness import Project, backend
from test.process.screen import Screen

SERVICES = f"""
[service.api]
exec = {json.dumps(backend("debugged.py"))}
route = "/**"

[service.worker]
exec = "sh -c 'while :; do echo job; sleep 0.1; done'"
"""
CRASHED = f"""
[service.api]
exec = {json.dumps(backend("echo.py"))}
route = "/**"

[service.worker]
exec = "sh -c 'echo begun; exit 3'"
"""


def test_lines_of_services_and_about_them_have_their_names(project: Path) -> None:
    with Project(project, CRASHED) as proxy:
        proxy.wait_output(r"worker \| begun\n")
        proxy.wait_output(r"worker \| exited with status 3, .*: waiting for a change\n")
        proxy.wait_output(r"api    \| started in \d+ ms\n")
        proxy.wait_output(r"  services    api     http://127\.0\.0\.1:\d+/  .*\n")
        proxy.wait_output(r"              worker  sh -c 'echo begun; exit 3'\n")
        assert "\x1b" not in proxy.output, "the output is not a terminal"
        assert "keys" not in proxy.output


@pytest.mark.skipif(not Keyboard.is_usable(), reason="not supported by the system")
def test_breakpoint_of_one_service_works_by_its_key(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Project(project, SERVICES, environment={"NO_COLOR": "1"})
    monkeypatch.chdir(project)
    for name, value in proxy.environment.items():
        monkeypatch.setenv(name, value)
    try:
        with Screen(proxy.arguments) as screen:
            screen.wait_for("  services    1  api  ")
            screen.wait_for("              2  worker  sh")
            screen.wait_for("worker | job\r\n")
            screen.wait_for("api    | started in ")
            with proxy.connect() as wire:
                wire.send(b"GET /break HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                screen.wait_for("api    | (Pdb) ")
                screen.wait_for("api    | waits for input: press 1\r\n")
                screen.type("1")
                screen.wait_for("api alone; 0 or Ctrl+] shows all\r\n(Pdb) ")
                before = proxy.get("/_hpp/services/worker/output").body
                eventually(lambda: proxy.get("/_hpp/services/worker/output").body != before)
                screen.type("answer = 'from the debugger'\r")
                screen.wait_for("debugger'\r\n(Pdb) ")
                screen.type("\x1a")
                screen.wait_for("[stopped by ")
                screen.type("fg\n")
                screen.wait_until_forwarded()
                screen.type("c\r")
                assert wire.response().body == b"from the debugger"
            screen.type("\x1d")
            screen.wait_for("all services; lines hidden meanwhile: worker ")
            screen.type("2")
            screen.wait_for("worker alone; 0 or Ctrl+] shows all\r\n")
            screen.wait_for("\njob\r\n")
            screen.type("r")
            assert "api" not in screen.wait_for("restarted in ")
            screen.type("\x03")
            screen.wait_for("[exit 130]")
            assert screen.is_canonical
        eventually(lambda: not proxy.left_over(), 2000 * MS)
    finally:
        processes.kill_marked(proxy.mark)
