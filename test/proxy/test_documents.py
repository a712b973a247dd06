"""Injection of the script into documents, in pieces, at restarts and after errors."""

import asyncio
import socket
from pathlib import Path

import pytest

from httpprocessproxy.core.page.documents import Injector
from test.fakes import OK, Bench, Peer, get, serving
from test.loops import eventually, on_every_loop
from test.proxy.exchanges import MUCH, asked, assert_goes_on, assert_next_is

ACCEPT = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"
TAG = b'<script src="/_hpp/client.js"></script>'
PAGE = b"<!doctype html><html><head><title>x</title></head><body><p>hello</p></body></html>"
WITH_TAG = PAGE.replace(b"<head>", b"<head>" + TAG)


def injector() -> Injector:
    def report(text: str) -> None:
        raise AssertionError(text)

    return Injector(b"0urs", report)


def head(*lines: bytes, status: bytes = b"200 OK", kind: bytes = b"text/html") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Type: " + kind, *lines, b"", b""])


def chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def document(target: str = "/", *lines: str, method: str = "GET") -> bytes:
    return get(target, ACCEPT, *lines, method=method)


async def head_has_come(bench: Bench) -> None:
    """Wait until the head of a page has arrived without content."""
    await eventually(lambda: any(upstream._head for upstream in bench.upstreams))


FRAMED = {
    "length": head(b"Content-Length: %d" % len(PAGE)) + PAGE,
    "chunked": head(b"Transfer-Encoding: chunked") + chunks(PAGE[:17], PAGE[17:30], PAGE[30:]),
    "until the end": head() + PAGE,
}


@pytest.mark.parametrize("answer", FRAMED.values(), ids=FRAMED)
@pytest.mark.parametrize("cut", [1, 10, 60, 10_000])
@on_every_loop
async def test_page_in_pieces_gets_the_script(answer: bytes, cut: int) -> None:
    async with serving(injector=injector()) as bench:
        client, wire = await asked(bench, document())
        for at in range(0, len(answer), cut):
            await wire.send(answer[at : at + cut])
            await asyncio.sleep(0)
        if answer is FRAMED["until the end"]:
            wire.finish()
        response = await client.response()
        assert response.body == WITH_TAG
        assert client.unread == b""
        await assert_goes_on_somewhere(bench, client, wire)


async def assert_goes_on_somewhere(bench: Bench, client: Peer, wire: Peer) -> None:
    """Assert that the client's connection persists; the backend's may be closed."""
    await client.send(get("/next"))
    if await wire.more():
        await wire.send(OK)
    else:
        await bench.backend.serve()
    assert (await client.response()).body == b"ok"


@pytest.mark.parametrize("answer", FRAMED.values(), ids=FRAMED)
@on_every_loop
async def test_page_for_http_1_0_gets_the_script(answer: bytes) -> None:
    async with serving(injector=injector()) as bench:
        client, wire = await asked(bench, document().replace(b"HTTP/1.1", b"HTTP/1.0"))
        await wire.send(answer)
        wire.finish()
        received = await client.rest()
        fields, _, body = received.partition(b"\r\n\r\n")
        assert body == WITH_TAG
        assert b"Transfer-Encoding" not in fields
        if answer is FRAMED["length"]:
            assert b"Content-Length: %d" % len(WITH_TAG) in fields


@on_every_loop
async def test_first_bytes_of_a_page_are_passed_on_at_once() -> None:
    async with serving(injector=injector()) as bench:
        client, wire = await asked(bench, document())
        await wire.send(head(b"Transfer-Encoding: chunked"))
        await wire.send(b"6\r\n<html>\r\n")
        await client.until(b"<html>")
        await wire.send(b"9\r\n<head><p>\r\n")
        await client.until(b"<head>" + TAG + b"<p>")
        await wire.send(b"3\r\nend\r\n0\r\nT: u\r\n\r\n")
        assert await client.until(b"0\r\nT: u\r\n\r\n") == b"\r\n3\r\nend\r\n"


@on_every_loop
async def test_pages_and_other_responses_share_a_connection() -> None:
    async with serving(injector=injector()) as bench:
        requests = [document(), get("/data"), document("/", "HX-Request: true"), document()]
        client = await bench.client(b"".join(requests))
        wire = await bench.backend.accept()
        for _ in requests:
            await wire.request()
            await wire.send(FRAMED["length"])
        bodies = [(await client.response()).body for _ in requests]
        assert bodies == [WITH_TAG, PAGE, PAGE, WITH_TAG]


@on_every_loop
async def test_page_larger_than_all_buffers_gets_the_script() -> None:
    async with serving(injector=injector()) as bench:
        client, wire = await asked(bench, document())
        rest = b"x" * (MUCH // 4)
        await wire.send(head(b"Content-Length: %d" % (len(PAGE) + len(rest))) + PAGE)

        async with asyncio.TaskGroup() as group:
            group.create_task(wire.send(rest), name="backend")
            response = await client.response()
        assert response.body == WITH_TAG + rest


# Without a body


@pytest.mark.parametrize("first", ["GET", "HEAD"])
@on_every_loop
async def test_response_to_head_has_the_fields_of_get(first: str) -> None:
    answer = head(b"Content-Length: %d" % len(PAGE), b"Content-Security-Policy: script-src a")
    async with serving(injector=injector()) as bench:
        heads = {}
        for method in (first, "HEAD", "GET"):
            client, wire = await asked(bench, document(method=method))
            await wire.send(answer + (PAGE if method == "GET" else b""))
            heads[method] = (await client.response(method)).headers
        assert heads["HEAD"] == heads["GET"]
        assert (b"Content-Length", b"%d" % len(WITH_TAG)) in heads["GET"]
        assert (b"Content-Security-Policy", b"script-src a 'self'") in heads["GET"]


@on_every_loop
async def test_not_modified_confirms_the_page_with_the_tag() -> None:
    async with serving(injector=injector()) as bench:
        client, wire = await asked(bench, document("/", 'If-None-Match: "x-hpp-0urs"'))
        await wire.send(
            b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n'
            b"Content-Security-Policy: default-src 'self'; connect-src 'none'\r\n\r\n"
        )
        response = await client.response()
        assert response.headers == [
            (b"ETag", b'"x-hpp-0urs"'),
            (b"Content-Security-Policy", b"default-src 'self'; connect-src 'self'"),
            (b"Hpp-Generation", b"1"),
        ]
        assert (await bench.exchange(client, wire, get("/next"))).body == b"ok"


# Failures


@pytest.mark.parametrize("end", ["close", "finish", "reset"])
@pytest.mark.parametrize("begun", [head(b"Content-Length: 5"), head(b"Transfer-Encoding: chunked")])
@on_every_loop
async def test_page_that_ends_before_its_content_is_requested_twice_and_gets_502(
    begun: bytes, end: str
) -> None:
    async with serving(injector=injector(), suspicion_s=0.02) as bench:
        client, wire = await asked(bench, document())
        for is_last in (False, True):
            await wire.send(begun)
            await head_has_come(bench)
            {"close": wire.close, "finish": wire.finish, "reset": wire.reset}[end]()
            if not is_last:
                wire, _ = await bench.backend.take()
        assert (await client.response()).status == 502


@pytest.mark.parametrize("answer", [head(), head(b"Transfer-Encoding: chunked")])
@on_every_loop
async def test_empty_page_stays_empty(answer: bytes) -> None:
    async with serving(injector=injector()) as bench:
        client, wire = await asked(bench, document())
        await wire.send(answer)
        await head_has_come(bench)
        await wire.send(b"0\r\n\r\n" if b"chunked" in answer else b"")
        wire.finish()
        assert (await client.response()).body == b""


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked", b"X: until the end"])
@on_every_loop
async def test_empty_error_of_unknown_length_is_wrapped(framing: bytes) -> None:
    """PHP's built-in server sends such an error: HTML by its type, delimited by the close."""
    async with serving(injector=injector()) as bench:
        client, wire = await asked(bench, document("/", "Sec-Fetch-Dest: document"))
        await wire.send(head(framing, status=b"500 Internal Server Error"))
        await head_has_come(bench)
        await wire.send(b"0\r\n\r\n" if b"chunked" in framing else b"")
        wire.finish()
        response = await client.response()
        assert response.status == 500
        assert TAG in response.body


@on_every_loop
async def test_plain_error_in_pieces_is_wrapped() -> None:
    async with serving(injector=injector()) as bench:
        client, wire = await asked(bench, document("/", "Sec-Fetch-Dest: document"))
        answer = head(b"Content-Length: 5", status=b"404 Not Found", kind=b"text/plain") + b"a < b"
        for at in range(0, len(answer), 9):
            await wire.send(answer[at : at + 9])
            await asyncio.sleep(0)
        response = await client.response()
        assert response.status == 404
        assert TAG in response.body
        assert b"a &lt; b" in response.body
        await assert_goes_on_somewhere(bench, client, wire)


@pytest.mark.parametrize("answer", [answer[:-20] for answer in FRAMED.values()], ids=FRAMED)
@on_every_loop
async def test_begun_page_is_cut_at_a_restart(answer: bytes) -> None:
    async with serving(injector=injector()) as bench:
        client, wire = await asked(bench, document())
        await wire.send(answer)
        await client.until(TAG)
        bench.stop()
        await client.rest()
        assert client.was_reset


@on_every_loop
async def test_request_for_a_page_without_content_is_sent_again_after_a_restart() -> None:
    """No byte of the response was passed on."""
    async with serving(injector=injector()) as bench:
        client, wire = await asked(bench, document("/again"))
        await wire.send(head(b"Content-Length: 5"))
        await head_has_come(bench)
        bench.restart()
        await assert_next_is(bench, "/again")
        assert (await client.response()).body == b"ok"


@on_every_loop
async def test_post_for_a_page_without_content_gets_502_at_a_restart() -> None:
    async with serving(injector=injector()) as bench:
        client, wire = await asked(bench, document(method="POST"))
        await wire.send(head(b"Content-Length: 5"))
        await head_has_come(bench)
        bench.restart()
        assert (await client.response()).status == 502
        await assert_goes_on(bench, client)


@on_every_loop
async def test_broken_chunk_in_a_held_page_gets_502() -> None:
    async with serving(injector=injector()) as bench:
        client, wire = await asked(bench, document())
        await wire.send(head(b"Transfer-Encoding: chunked") + b"6\r\n<head>\r\nrubbish\r\n")
        assert (await client.response()).status == 502


@on_every_loop
async def test_broken_chunk_in_a_begun_page_cuts_the_response() -> None:
    async with serving(injector=injector()) as bench:
        client, wire = await asked(bench, document())
        await wire.send(head(b"Transfer-Encoding: chunked") + b"7\r\n<head>x\r\n")
        await client.until(TAG)
        await wire.send(b"rubbish\r\n")
        await client.rest()
        assert client.was_reset


@on_every_loop
async def test_page_with_a_meta_policy_passes_unchanged_and_is_reported() -> None:
    reported: list[str] = []
    async with serving(injector=Injector(b"0urs", reported.append)) as bench:
        page = b"<head><meta http-equiv='Content-Security-Policy' content='script-src a'>"
        client, wire = await asked(bench, document("/strict?x"))
        await wire.send(head(b"Content-Length: %d" % len(page)))
        await head_has_come(bench)
        await wire.send(page)
        response = await client.response()
        assert response.body == page
        assert reported == [
            "/strict: its own policy, in a <meta>, is respected: no script is injected"
        ]


@on_every_loop
async def test_page_of_the_admin_passes_unchanged(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "site"))
    listener.listen()
    listener.setblocking(False)
    async with serving(injector=injector(), pages=tmp_path) as bench:
        client = await bench.client(document("/_hpp/"))
        connection, _ = await bench.proxy_server.loop.sock_accept(listener)
        with connection, listener:
            peer = Peer(connection)
            await peer.request()
            await peer.send(FRAMED["length"])
            assert (await client.response()).body == PAGE
