"""A pipeline of three servers, each behind its own proxy, whose sources change meanwhile."""

import contextlib
import json
import signal
import socket
from pathlib import Path

import pytest

from test.companions.chains.programs import Pipeline, pipeline
from test.deadline import PATIENCE_S
from test.fakes import Listener
from test.wire import Wire


def test_chain_passes_through_three_servers(three: Pipeline) -> None:
    first, second, third = three.proxies
    chain, response = three.send("/?a=1", second, third, Query_Params="b=2,c=3", Method="POST,put")
    assert (response.status, response.headers["X-Canonical-IRI"]) == (202, "/")
    first.wait_output(rf"hop {chain} delivered POST {second.url}/\?b=2 202 \d+ ms")
    second.wait_output(rf"hop {chain} delivered PUT {third.url}/\?c=3 200 \d+ ms")
    third.wait_output(rf"hop {chain} ended PUT /\?c=3 200")


def test_last_server_gets_the_response_of_the_one_before_it(three: Pipeline) -> None:
    _, second, third = three.proxies
    chain, _ = three.send("/", second, third)
    third.wait_output(f"hop {chain} ended")
    request = json.loads(third.get("/_hpp/requests").body)["requests"][0]
    details = json.loads(third.get(f"/_hpp/requests/{request['id']}").body)
    passed_on = json.loads(details["request_body"])
    seen = {name.lower(): value for name, value in passed_on["headers"]}
    assert (passed_on["method"], seen["x-forward-id"]) == ("POST", chain)
    assert seen["x-forward-referer"] == f"{three.proxies[0].url}/"
    assert seen["content-type"] == "application/json"
    assert f"X-Forward-Referer: {second.url}/\r\n" in details["request"]


def test_chain_that_returns_to_a_server_passes_and_its_repetition_gets_409(
    three: Pipeline,
) -> None:
    first, second, third = three.proxies
    chain, response = three.send("/", second, first, third)
    assert response.status == 202
    second.wait_output(f"hop {chain} delivered POST {first.url}/ 202")
    third.wait_output(f"hop {chain} ended")
    assert three.send("/", second, first, third, chain=chain)[1].status == 409


def test_server_that_sends_each_chain_to_itself_is_reported_as_a_loop(three: Pipeline) -> None:
    first, *_ = three.proxies
    chain, response = three.send(f"/onward?to={first.url}")
    assert response.status == 202
    told = three.error()
    assert (told["id"], told["errorCode"]) == (chain, "508")
    first.wait_output(rf"hop {chain} failed POST {first.url}/onward\?to={first.url} 508")


def test_forbidden_destination_gets_no_request(three: Pipeline) -> None:
    with contextlib.closing(Listener()) as elsewhere:
        url = f"http://127.0.0.1:{elsewhere.port}"
        _, response = three.send("/", url)
        assert response.status == 403
        # The first proxy cannot know that the next proxy forbids its hop.
        chain, response = three.send("/", three.proxies[1], url)
        assert response.status == 202
        told = three.error()
        assert (told["id"], told["errorCode"]) == (chain, "403")
        with pytest.raises(BlockingIOError):
            elsewhere.socket.accept()


def test_error_response_of_the_first_server_is_reported_and_not_sent_on(three: Pipeline) -> None:
    _, second, third = three.proxies
    chain, response = three.send("/early413", second, third)
    assert response.status == 413
    assert three.error()["errorCode"] == "413"
    assert f"hop {chain}" not in second.output


def test_restart_in_the_middle_of_a_pipeline_loses_no_chain(three: Pipeline) -> None:
    _, second, third = three.proxies
    chains = []
    with second.restart():
        for number in range(12):
            chain, response = three.send(f"/slow?ms=20&{number}", second, third)
            assert response.status == 202
            chains.append(chain)
            if number == 4:
                second.save("version", "1")
    for chain in chains:
        third.wait_output(f"hop {chain} ended")


def test_crashed_server_is_reported_by_both_proxies(three: Pipeline) -> None:
    first, second, _ = three.proxies
    second.get("/crash")
    second.wait_state("error")
    chain, response = three.send("/", second)
    assert response.status == 202
    told = [three.error(), three.error()]
    assert {each["id"] for each in told} == {chain}
    # The proxy of the crashed server reports Internal, the one that sent the hop External.
    assert {each["errorType"] for each in told} == {"Internal", "External"}
    assert {each.get("errorCode") for each in told} == {None, "503"}
    first.wait_output(f"hop {chain} failed POST {second.url}/ 503")
    with second.restart():
        second.save("version", "2")


# Without a response, the proxy waits for the whole of DRAIN_S.
@pytest.mark.parametrize("answers", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_accepted_delivery_is_sent_or_reported_at_the_end(tmp_path: Path, answers: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hop:
        url = f"http://127.0.0.1:{hop.getsockname()[1]}"
        with pipeline(tmp_path, 1, "--forward-allow", url) as made:
            (first,) = made.proxies
            chain, response = made.send("/", url)
            assert response.status == 202
            with Wire(hop.accept()[0]) as wire:
                wire.request()
                first.process.send_signal(signal.SIGTERM)
                if answers:
                    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                else:
                    assert made.error()["id"] == chain
                first.wait_output(f"hop {chain} {'delivered' if answers else 'failed'}")
            assert first.process.wait(PATIENCE_S) == 143


def test_dry_run_logs_the_hops(tmp_path: Path) -> None:
    with pipeline(tmp_path, 1, "--forward-dry-run", "--json-logs") as made:
        (first,) = made.proxies
        chain, response = made.send("/", first)
        assert response.status == 202
        line = first.wait_output(r'\{.*"event": "hop".*\}')
        told = json.loads(line[0])
        assert (told["chain"], told["outcome"], told["url"]) == (chain, "would go", f"{first.url}/")
