"""An application served over each version of HTTP, with independent clients."""

import asyncio
import contextlib
import json
import socket
import sys
from pathlib import Path

import pytest

from httpprocessproxy.asgi import serving as tested
from httpprocessproxy.asgi.interface import Receive, Scope, Send
from httpprocessproxy.asgi.serving import serving, take_place
from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from test.asgi.applications import Stage
from test.asgi.served import VERSIONS, Served, Version, served
from test.frontends.http2_client import get
from test.frontends.http3_fronts import write_certificate
from test.loops import eventually, on_every_loop, run
from test.wire import TruncatedError, Wire

every_version = pytest.mark.parametrize("version", VERSIONS)


@every_version
@on_every_loop
async def test_application_gets_the_same_scope_over_each_version(
    version: Version, tmp_path: Path
) -> None:
    async with served(Stage(), tmp_path) as place:
        fields = (b"x-a", b"1"), (b"x-a", b"2")
        reply = await place.ask(version, "/%73cope?q=%20&r", *fields)
        scope = json.loads(reply.body)
    client = scope.pop("client")
    assert client[0] == "127.0.0.1"
    assert client[1] not in (0, place.port)
    scope.pop("extensions", None)
    assert [["host", place.host.decode()], ["x-a", "1"], ["x-a", "2"]] == scope.pop("headers")
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": version,
        "server": ["127.0.0.1", place.port],
        "scheme": "https",
        "method": "GET",
        "path": "/scope",
        "raw_path": "/%73cope",
        "query_string": "q=%20&r",
        "root_path": "",
        "state": {"pool": "a pool"},
    }


@on_every_loop
async def test_lifespan_runs_once_for_the_server(tmp_path: Path) -> None:
    stage = Stage()
    async with served(stage, tmp_path) as place:
        assert stage.lifespan == ["lifespan.startup"]
        for version in VERSIONS:
            assert (await place.ask(version)).status == 200
        assert stage.lifespan == ["lifespan.startup"]
    assert stage.lifespan == ["lifespan.startup", "lifespan.shutdown"]


@every_version
@on_every_loop
async def test_application_gets_the_body_and_then_a_disconnect(
    version: Version, tmp_path: Path
) -> None:
    stage = Stage()
    async with served(stage, tmp_path) as place:
        await place.ask(version, "/events-of-request", method=b"POST", body=b"body")
        await stage.has_ended.wait()
    *request, end = stage.events
    assert {event["type"] for event in request} == {"http.request"}
    assert b"".join(bytes(event["body"]) for event in request) == b"body"  # type: ignore[call-overload]
    assert end == {"type": "http.disconnect"}


@every_version
@on_every_loop
async def test_every_response_advertises_http3(version: Version, tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        expected = [b'h3=":%d"; ma=3600' % place.port] if version != "3" else []
        for path in ("/", "/own-fields", "/raise-before", "/not-modified", "/trailers"):
            reply = await place.ask(version, path)
            assert reply.all(b"alt-svc") == expected, path
        assert not place.said


@every_version
@on_every_loop
async def test_response_has_the_applications_fields_and_one_date(
    version: Version, tmp_path: Path
) -> None:
    async with served(Stage(), tmp_path) as place:
        reply = await place.ask(version, "/own-fields")
        assert (reply.all(b"date"), reply.all(b"x-a")) == ([b"then"], [b"1", b"2"])
        assert len((await place.ask(version)).all(b"date")) == 1


@every_version
@on_every_loop
async def test_response_to_head_has_a_length_and_no_body(version: Version, tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        reply = await place.ask(version, method=b"HEAD")
        assert (reply.status, reply.body) == (200, b"")
        assert int(reply.all(b"content-length")[0]) > 100


@every_version
@on_every_loop
async def test_trailers_are_sent_over_http2_and_http3(version: Version, tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        reply = await place.ask(version, "/trailers")
    # uvicorn does not support trailers, and its scope does not list the extension.
    assert (reply.body, reply.was_cut) == (b"x", False)
    assert reply.trailers == ([] if version == "1.1" else [(b"a", b"b")])


@every_version
@pytest.mark.parametrize("path", ["/raise-before", "/return-before", "/exit"])
@on_every_loop
async def test_failure_before_the_response_gives_500(
    version: Version, path: str, tmp_path: Path
) -> None:
    async with served(Stage(), tmp_path) as place:
        reply = await place.ask(version, path)
        assert (reply.status, reply.body) == (500, b"Internal Server Error")
        assert (await place.ask(version)).status == 200


@every_version
@pytest.mark.parametrize("path", ["/raise-after", "/return-after", "/too-short"])
@on_every_loop
async def test_failure_after_the_start_truncates_the_response(
    version: Version, path: str, tmp_path: Path
) -> None:
    async with served(Stage(), tmp_path) as place:
        reply = await place.ask(version, path)
        assert reply.was_cut
        assert reply.status in (0, 200)
        assert (await place.ask(version)).status == 200


@on_every_loop
async def test_failure_resets_the_stream_with_the_code_for_internal_errors(tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        second, third = await place.http2(), await place.http3()
        assert await second.was_reset(await second.ask(get("/raise-after"))) == 2  # INTERNAL_ERROR
        assert await third.was_reset(await third.ask(get("/raise-after"))) == 0x102


@every_version
@on_every_loop
async def test_client_that_leaves_is_a_disconnect(version: Version, tmp_path: Path) -> None:
    stage = Stage()
    async with served(stage, tmp_path) as place:
        if version == "1.1":
            wire = await place.http1()
            wire.send(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await eventually(lambda: bool(stage.events))
            wire.socket.close()
        elif version == "2":
            second = await place.http2()
            stream_id = await second.ask(get("/wait"))
            await eventually(lambda: bool(stage.events))
            await second.cancel(stream_id)
        else:
            third = await place.http3()
            stream_id = await third.ask(get("/wait"))
            await eventually(lambda: bool(stage.events))
            await third.cancel(stream_id)
        await stage.has_ended.wait()
    assert stage.events[-1] == {"type": "http.disconnect"}


@every_version
@on_every_loop
async def test_active_request_is_cut_at_the_end_of_the_server(
    version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tested, "DRAIN_S", 0.05)
    stage = Stage()
    async with contextlib.AsyncExitStack() as clients:
        async with served(stage, tmp_path, clients) as place:
            if version == "1.1":
                first = await place.http1()
                first.send(b"GET /stay HTTP/1.1\r\nHost: localhost\r\n\r\n")
            else:
                other = await (place.http2() if version == "2" else place.http3())
                stream_id = await other.ask(get("/stay"))
                await other.head(stream_id)
            await stage.go_on.wait()
        if version == "1.1":
            with pytest.raises(TruncatedError):
                await asyncio.to_thread(first.response)
        else:
            await other.ended()
            assert not other.answers[stream_id].has_ended
    assert stage.has_ended.is_set()
    assert stage.lifespan == ["lifespan.startup", "lifespan.shutdown"]


@on_every_loop
async def test_plain_http_is_redirected_to_https(tmp_path: Path) -> None:
    async with served(Stage(), tmp_path) as place:
        wire = await asyncio.to_thread(Wire.connect, place.port)
        with contextlib.closing(wire.socket):
            wire.send(b"GET /a?b HTTP/1.1\r\nHost: " + place.host + b"\r\n\r\n")
            message = await asyncio.to_thread(wire.response)
        assert message.status == 308
        assert message.get(b"Location") == b"https://" + place.host + b"/a?b"


@on_every_loop
async def test_server_without_its_udp_port_advertises_no_http3(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    place = take_place(Address("127.0.0.1", 0), tmp_path / "cert.pem", tmp_path / "key.pem")
    said: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", place.address.port))
        async with contextlib.AsyncExitStack() as stack, serving(Stage(), place, said.append):
            reply = await Served(place.address.port, said, stack).ask("1.1")
    assert (reply.status, reply.all(b"alt-svc")) == (200, [])
    (line,) = said
    assert line.startswith(f"without HTTP/3: UDP port {place.address.port} is in use")


@on_every_loop
async def test_missing_aioquic_is_reported_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("aioquic")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "httpprocessproxy.frontends.http3.server", raising=False)
    async with served(Stage(), tmp_path) as place:
        assert (await place.ask("2")).all(b"alt-svc") == []
        (line,) = place.said
    assert "pip install 'http-process-proxy[http3]'" in line


def test_failed_startup_of_the_application_is_a_user_error(tmp_path: Path) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    async def main() -> None:
        with pytest.raises(UserError, match="no database"):
            async with served(application, tmp_path):
                raise AssertionError("it has not started")

    run(main())


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [("localhost", 70000, "port"), ("localhost", -1, "not an address"), ("a b", 1, "not an")],
)
def test_invalid_address_is_a_user_error(host: str, port: int, reason: str, tmp_path: Path) -> None:
    write_certificate(tmp_path)
    with pytest.raises(UserError, match=reason):
        take_place(Address(host, port), tmp_path / "cert.pem", tmp_path / "key.pem")


def test_taken_port_is_a_user_error(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(UserError, match=rf"^{address} is in use"):
            take_place(address, tmp_path / "cert.pem", tmp_path / "key.pem")
