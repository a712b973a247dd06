"""The life cycle of a relay: its start and end, the file of tokens, the log."""

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from test.companions.share.old_workers import Answer, Call, Worker
from test.companions.share.relays import DOMAIN, Relay, host_of, request, without_debug_mode
from test.deadline import PATIENCE_S, eventually


def failing(*arguments: str) -> str:
    """Start a relay that must fail, and return its one line on stderr."""
    command = [sys.executable, "-m", "httpprocessproxy.companions.share.relay.cli", *arguments]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, env=without_debug_mode()
    )
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    assert ended.stderr.startswith("http-process-relay: ")
    assert ended.stderr.count("\n") == 1
    return ended.stderr


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_relay_on_signal_refuses_waiting_visits_and_finishes_answers(
    tokens: Path, signum: signal.Signals
) -> None:
    """A visitor without a worker gets 503, one with a worker its answer; idle calls end."""
    with (
        Relay(tokens, "--grace", "9") as relay,
        Call(relay, "one") as busy,
        Call(relay, "two") as idle,
        relay.connect() as waiting,
        relay.connect() as served,
    ):
        with Call(relay, "three") as gone:
            gone.wait()
        busy.wait()
        served.send(request("/", host_of("one")))
        received = busy.next_visit()
        idle.wait()
        waiting.send(request("/", host_of("three")))
        relay.wait_level("visits_in_progress", 2)
        relay.process.send_signal(signum)
        answer = waiting.response()
        assert (answer.status, answer.get(b"Retry-After")) == (503, b"5")
        busy.begin(received.rid, Answer(body=b"in time"))
        assert served.response().body == b"in time"
        assert idle.end() == (200, b"", None)
        assert relay.process.wait(PATIENCE_S) == 0


def test_relay_stops_after_drain_without_an_answer(tokens: Path) -> None:
    with (
        Relay(tokens, "--drain", "0.1") as relay,
        Worker(relay, "one", lambda visit: None),
        relay.connect() as visitor,
    ):
        visitor.send(request("/", host_of("one")))
        relay.wait_level("visits_in_progress", 1)
        assert relay.stop() == 0


def test_changed_token_file_is_reloaded_and_ends_waiting_calls(tokens: Path) -> None:
    with (
        Relay(tokens, "--deadline", "0.5") as relay,
        Call(relay, "one") as call,
        Call(relay, "two") as two,
    ):
        call.wait()
        two.wait()
        hashed = hashlib.sha256(b"other").hexdigest()
        tokens.write_text(f"one other\nfour sha256:{hashed.upper()}  # a new one\n")
        relay.wait_line("2 hosts")
        assert call.end() == (200, b"", None), "a call with an old token ends"
        assert two.end() == (200, b"", None)
        call.begin()
        assert call.end()[:2] == (403, b"Forbidden")
        two.begin()
        assert two.end()[0] == 403
        assert relay.get("/", host_of("two")).status == 404
        assert relay.get("/", host_of("four")).status == 503
        with Call(relay, "four") as four:
            four.begin(fpw_token="other")
            eventually(lambda: relay.waiting("four") == 1)


def test_malformed_line_is_logged_and_previous_tokens_are_kept(tokens: Path) -> None:
    with Relay(tokens, "--grace", "0.1") as relay:
        relay.may_complain = True
        tokens.write_text("one secret-of-one\ntwo hidden and more\n")
        line = relay.wait_line(r"tokens, line 2: write NAME TOKEN, or NAME sha256:HEX").string
        assert "keeping the previous tokens" in line
        assert "hidden" not in line
        with Worker(relay, "three"):
            assert relay.get("/", host_of("three")).status == 200
        tokens.unlink()
        relay.wait_line("cannot read .*: No such file")
        assert relay.get("/", host_of("three")).status == 503


def test_access_log_has_one_line_per_visit_and_no_secrets(tokens: Path) -> None:
    with Relay(tokens) as relay:
        with Worker(relay, "one"):
            relay.get("/path?key=hidden", host_of("one"), Cookie="hidden", fpw_token="hidden")
            assert relay.get("/caf\xc3\xa9", host_of("one")).status == 400
            relay.get('/"quoted"', host_of("one"))
        relay.stop()
        assert "hidden" not in relay.output
        assert "secret" not in relay.output
        lines = [line.split(" INFO ")[1] for line in relay.output.splitlines() if "GET" in line]
    assert lines[0].startswith('127.0.0.1 one.example.test "GET /path" 200 answered 7 bytes ')
    assert '"GET /%22quoted%22"' in lines[1]
    assert len(lines) == 2


def test_no_access_log_disables_the_lines_of_visits(tokens: Path) -> None:
    with Relay(tokens, "--no-access-log", "--deadline", "0.1") as relay:
        relay.get("/", host_of("one"))
        relay.stop()
        assert "GET" not in relay.output


def test_port_in_use_ends_the_start_with_an_error(tokens: Path) -> None:
    with Relay(tokens) as relay:
        arguments = (f"127.0.0.1:{relay.port}", "--domain", DOMAIN, "--tokens", str(tokens))
        assert f"cannot listen on 127.0.0.1:{relay.port}: Address" in failing(*arguments)


def test_unreadable_tokens_end_the_start_with_an_error(tmp_path: Path) -> None:
    nothing = ("--domain", DOMAIN, "--tokens", str(tmp_path / "none"))
    assert "cannot read " in failing("0", *nothing)
    (tmp_path / "bad").write_text("\nhidden\n")
    complaint = failing("0", "--domain", DOMAIN, "--tokens", str(tmp_path / "bad"))
    assert "bad, line 2: write NAME TOKEN, or NAME sha256:HEX" in complaint


def test_missing_extra_is_named_in_the_error(tokens: Path) -> None:
    program = (
        "import sys; sys.modules[sys.argv[1]] = None; "
        "from httpprocessproxy.companions.share.relay.cli import main; sys.exit(main(sys.argv[2:]))"
    )
    arguments = ("127.0.0.1:0", "--domain", DOMAIN, "--tokens", str(tokens), "--metrics", "0")
    ended = subprocess.run(
        [sys.executable, "-c", program, "prometheus_client", *arguments],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    package = "pip install 'http-process-proxy[relay]'"
    assert ended.stderr == f"http-process-relay: --metrics needs more packages: {package}\n"
