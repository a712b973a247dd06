"""Builds before a restart (`--before`): the old server serves on until they succeed."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from test import processes
from test.deadline import PATIENCE_S, eventually
from test.harness import Proxy, backend, http_connection
from test.pressure import workers
from test.wire import Message

BROKEN = "broken"
CHECK = 'case $(cat version) in broken*) echo "main.go:3: broken" >&2; exit 7; esac'
BROKEN_BUILDS = 20


def builds(project: Path, script: str = CHECK, *options: str) -> Proxy:
    """A server whose build is this script of a shell."""
    project.mkdir(exist_ok=True)
    (project / "version").write_text("1")
    return Proxy(project, backend("echo.py"), "--before", f"sh -c '{script}'", *options)


def gated(data: Path) -> str:
    """A script that waits for the file `go`, and then checks the version."""
    return f"while [ ! -e {data}/go ]; do sleep 0.01; done; {CHECK}"


def settled(proxy: Proxy) -> dict[str, object]:
    """Wait for the verdict on all earlier saves; return the last build."""
    response = proxy.get("/_hpp/status?wait=running,error")
    assert response.status == 200, response
    build: dict[str, object] = json.loads(response.body)["build"]
    return build


def generation(response: Message) -> bytes:
    value = response.get(b"Hpp-Generation")
    assert value is not None
    return value


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder outside the project, which is watched."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_no_request_is_lost_over_many_broken_builds(project: Path) -> None:
    answers: Counter[str] = Counter()
    lock = threading.Lock()

    def get(number: int, done: threading.Event) -> None:
        with closing(http_connection(proxy)) as connection:
            while not (done.is_set() and answers.total() >= 1000):
                connection.request("GET", "/version")
                response = connection.getresponse()
                body = response.read().decode()
                assert response.status == 200, body
                with lock:
                    answers[body] += 1
                if number % 2:  # half of the clients keep their connections
                    connection.close()

    with builds(project) as proxy:
        proxy.running()
        with workers(8, get):
            for number in range(BROKEN_BUILDS):
                # A file that is written in place may be built when it is empty, too.
                proxy.save("version", f"{BROKEN} {number}", by="rename")
                build = settled(proxy)
                assert (build["state"], build["reason"]) == ("failed", "ended with exit status 7")
        assert proxy.status()["generation"] == 1
        assert set(answers) == {"1"}
        assert answers.total() >= 1000
        lines = proxy.output.splitlines()
        assert lines.count("main.go:3: broken") == BROKEN_BUILDS
        failed = "ended with exit status 7; generation 1 goes on serving"
        assert sum(line.endswith(failed) for line in lines) == BROKEN_BUILDS
        proxy.save("version", "2")
        assert proxy.get("/version", Hpp_Sync="1").body == b"2"
        assert generation(proxy.get("/version")) == b"2"


def test_only_requests_for_the_saved_code_wait_for_the_build(project: Path, data: Path) -> None:
    go = data / "go"
    go.touch()
    with builds(project, gated(data)) as proxy:
        proxy.running()
        go.unlink()
        proxy.save("version", "2")
        old = proxy.get("/version")
        assert (old.body, generation(old)) == (b"1", b"1; superseded")
        with proxy.connect() as synced, proxy.connect() as waiting:
            host = f"Host: 127.0.0.1:{proxy.port}\r\n"
            synced.send(f"GET /version HTTP/1.1\r\n{host}Hpp-Sync: 1\r\n\r\n".encode())
            waiting.send(f"GET /_hpp/status?wait=running HTTP/1.1\r\n{host}\r\n".encode())
            assert generation(proxy.get("/version")) == b"1; superseded"
            go.touch()
            new = synced.response()
            assert (new.body, generation(new)) == (b"2", b"2")
            status = json.loads(waiting.response().body)
            assert status["build"]["state"] == "succeeded"
        with proxy.restart():
            proxy.save("version", "3")
        proxy.save("version", BROKEN)
        late = proxy.get("/version", Hpp_Sync="1")
        assert (late.body, generation(late)) == (b"3", b"3; superseded")
        for question in ("--wait", "--restart"):
            answer = ask(proxy, question)
            assert answer.returncode == 1
            assert re.match(r"running, generation 3, pid \d+; before failed: ", answer.stdout)


def ask(proxy: Proxy, question: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "httpprocessproxy", question, str(proxy.port)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, cwd=proxy.project
    )


def test_save_cancels_a_build_with_its_whole_tree(project: Path, data: Path) -> None:
    script = f"""
    trap "" TERM
    [ $(cat version) = 3 ] && exit
    sleep 1000 & echo $! >> {data}/pids
    setsid sleep 1000 & echo $! >> {data}/pids
    (setsid sleep 1000 & echo $! >> {data}/pids)
    echo $$ >> {data}/pids
    [ $(cat version) = 1 ] || wait
    """
    with builds(project, script) as proxy:
        proxy.running()
        (data / "pids").write_text("")
        proxy.save("version", "2")
        pids = eventually(lambda: ids if len(ids := pids_in(data / "pids")) == 4 else None)
        assert pids is not None
        proxy.save("version", "3")
        assert proxy.get("/version", Hpp_Sync="1").body == b"3"
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        assert proxy.status()["generation"] == 2


def pids_in(file: Path) -> list[int]:
    return [int(word) for word in file.read_text().split()]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL], ids=lambda signum: signum.name)
def test_no_process_of_a_build_survives_the_program(
    project: Path, data: Path, signum: signal.Signals
) -> None:
    script = f"sleep 1000 & setsid sleep 1000 & touch {data}/ready; wait"
    with builds(project, script) as proxy:
        eventually((data / "ready").exists)
        assert proxy.stop(signum) == 128 + signum
        eventually(lambda: not processes.marked(proxy.mark))


def test_failure_of_the_first_build_is_shown_until_a_build_succeeds(project: Path) -> None:
    proxy = builds(project)
    (project / "version").write_text(BROKEN)
    with proxy:
        status = proxy.wait_state("error")
        assert status["generation"] == 1
        refused = proxy.get("/version", Accept="text/plain")
        assert refused.status == 503
        assert b"The build has failed" in refused.body
        assert b"ended with exit status 7" in refused.body
        assert b"main.go:3: broken" in refused.body
        proxy.wait_output("before failed: .* ended with exit status 7; waiting for a change")
        for number, version in enumerate([f"{BROKEN} 2", "3"]):
            proxy.save("version", version)
            # The request is held until the verdict.
            response = proxy.get("/version")
            assert (response.status == 200) is (number == 1), response
        assert response.body == b"3"


def test_files_that_builds_write_begin_no_further_builds(project: Path, data: Path) -> None:
    script = f"echo built >> {data}/log; cp version bundle.txt; {CHECK}"
    with builds(project, script) as proxy:
        proxy.running()
        assert settled(proxy)["state"] == "succeeded"
        proxy.wait_output("the build writes bundle.txt: that does not count while it runs")
        before = (data / "log").read_text().count("built")
        for number in range(2, 5):
            with proxy.restart():
                proxy.save("version", str(number))
        assert (data / "log").read_text().count("built") == before + 3
