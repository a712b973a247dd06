"""Autobahn's WebSocket cases, run by kosoku with and without the proxy: equal verdicts."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from test.deadline import MS
from test.harness import Proxy, backend

KOSOKU = str(Path(sys.executable).parent / "kosoku")

# All cases of the protocol, and one of each kind of the cases on size and compression.
PROTOCOL = ["-x", "9.*", "-x", "12.*", "-x", "13.*"]
BULK = ["9.1.*", "9.5.*", "9.7.*", "12.1.1", "12.1.3", "13.1.1", "13.3.1"]
SELECTIONS = [(PROTOCOL, 247), ([word for case in BULK for word in ("-i", case)], 22)]

# Verdicts treated as equal: some cases flip between these two with the timing.
FINE = {"OK", "NON-STRICT"}

Verdict = tuple[str, str]


def verdicts(port: int, selection: Sequence[str], out: Path) -> dict[str, Verdict]:
    """Return the verdicts of each case on its behaviour and on its close."""
    command = [KOSOKU, f"127.0.0.1:{port}", "-p", "2", "-o", str(out), *selection]
    subprocess.run(command, check=False, capture_output=True, timeout=120_000 * MS)
    report = json.loads((out / "index.json").read_text())
    (cases,) = report.values()
    return {
        case: (coarse(result["behavior"]), coarse(result["behaviorClose"]))
        for case, result in cases.items()
    }


def coarse(verdict: str) -> str:
    return "fine" if verdict in FINE else verdict


def changed(proxy: Proxy, selection: Sequence[str], out: Path) -> tuple[list[str], int]:
    """Return the cases whose verdict the proxy changes, and the number of all cases."""
    direct = verdicts(proxy.backend_port, selection, out / "direct")
    through = verdicts(proxy.port, selection, out / "through")
    assert direct.keys() == through.keys()
    fine = sum(verdict == ("fine", "fine") for verdict in direct.values())
    assert fine > len(direct) * 0.9, "the server itself passes most cases"
    return [case for case in direct if direct[case] != through[case]], len(direct)


def test_proxy_changes_no_verdict(project: Path, tmp_path: Path) -> None:
    with Proxy(project, backend("websocket_echo.py")) as proxy:
        proxy.running()
        for number, (selection, count) in enumerate(SELECTIONS):
            out = tmp_path / f"reports {number}"
            differing, ran = changed(proxy, selection, out)
            assert ran == count
            if differing:  # a verdict that flips by itself does not differ in every run
                again = [word for case in differing for word in ("-i", case)]
                differing, _ = changed(proxy, again, out / "again")
            assert differing == []
