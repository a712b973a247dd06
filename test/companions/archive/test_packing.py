"""Packing of items into archives: complete ones, failures, back-pressure and cancellation."""

import asyncio
import io
import random
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from httpprocessproxy.companions.archive import zipping
from httpprocessproxy.companions.archive.origins import Item
from httpprocessproxy.companions.archive.packing import BrokenError, Options, Packed, pack
from test.companions.archive.fetchers import FakeFetcher, FakeResponse
from test.companions.archive.unzipping import READERS, need, python, run
from test.deadline import MS

NOISE = random.Random(1).randbytes(1_000_000)


class Sink:
    """Records the written pieces."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def write(self, data: bytes) -> None:
        assert data, "an empty chunk would end a chunked body"
        self.pieces.append(data)

    @property
    def archive(self) -> bytes:
        return b"".join(self.pieces)


def packed(
    responses: Mapping[str, FakeResponse],
    items: Sequence[Item] = (),
    options: Options | None = None,
) -> tuple[Sink, Packed]:
    sink, requested = Sink(), items or [Item(url) for url in responses]
    result = asyncio.run(pack(requested, FakeFetcher(responses), sink.write, options))
    return sink, result


def test_no_items_give_an_empty_archive() -> None:
    sink, what = packed({})
    assert python(sink.archive, Path()) == {}
    assert what == Packed(0, ())


def test_members_are_in_order_with_unique_names() -> None:
    responses = {
        "/a": FakeResponse([b"1"]),
        "/x/a": FakeResponse([b"2", b"2"]),
        "/y/A": FakeResponse(),
        "/b": FakeResponse([b"4"]),
    }
    sink, what = packed(responses)
    assert python(sink.archive, Path()) == {"a": b"1", "a (2)": b"22", "A (3)": b"", "b": b"4"}
    assert what == Packed(4, ())
    with zipfile.ZipFile(io.BytesIO(sink.archive)) as opened:
        assert opened.comment == b"Written by http-process-proxy"


@pytest.mark.parametrize("reader", READERS)
def test_thousand_items_are_read_by_every_reader(reader: str, tmp_path: Path) -> None:
    need(reader)
    # The reader starts an unzip process for each member, which takes too long here.
    responses = {f"/{number}.txt": FakeResponse([b"%d" % number]) for number in range(1_000)}
    archive = packed(responses)[0].archive
    if reader == "unzip":
        path = tmp_path / "archive.zip"
        path.write_bytes(archive)
        assert b"No errors" in run("unzip", "-tq", str(path))
        return
    read = READERS[reader](archive, tmp_path)
    assert read == {f"{number}.txt": b"%d" % number for number in range(1_000)}


def test_small_member_is_one_write() -> None:
    sink, _ = packed({f"/{number}": FakeResponse([b"x"] * 10) for number in range(10)})
    assert len(sink.pieces) == 11, "one for each member, and one for the directory"


@pytest.mark.parametrize("content_type", ["text/plain", "image/png"])
@pytest.mark.parametrize("piece_bytes", [1, 1_000, 100_000, 1_000_000])
def test_content_is_independent_of_the_size_of_pieces(content_type: str, piece_bytes: int) -> None:
    content = NOISE[: min(len(NOISE), piece_bytes * 1_000)]
    pieces = [content[at : at + piece_bytes] for at in range(0, len(content), piece_bytes)]
    sink, _ = packed({"/a": FakeResponse(pieces, content_type=content_type, size=len(content))})
    assert python(sink.archive, Path()) == {"a": content}


def test_compressed_content_is_not_compressed_again() -> None:
    plain = [bytes(100_000)]
    sizes = {}
    for kind in ("text/plain", "image/png"):
        sink, _ = packed({"/a": FakeResponse(plain, content_type=kind)})
        sizes[kind] = len(sink.archive)
    assert sizes["text/plain"] < 1_000
    assert 100_000 < sizes["image/png"] < 101_000


def test_failures_are_listed_in_the_last_member() -> None:
    responses = {
        "/a": FakeResponse([b"whole"]),
        "/gone": FakeResponse([b"not found"], status=404),
        "/empty": FakeResponse(status=204),
        "/cut": FakeResponse([b"ha", b"lf"], size=8, failure="the connection broke"),
        "/_errors.txt": FakeResponse([b"a page"]),
    }
    items = [Item("/nobody\n"), *map(Item, responses)]
    sink, what = packed(responses, items)
    lines = (
        "/nobody\\n: nobody there",
        "/gone: the answer was 404",
        "/empty: the answer was 204",
        "/cut: cut is not whole: the connection broke",
    )
    assert what == Packed(2, lines)
    read = python(sink.archive, Path())
    assert read == {
        "a": b"whole",
        "cut": b"half",
        "_errors (2).txt": b"a page",
        "_errors.txt": "".join(f"{line}\n" for line in lines).encode(),
    }
    assert list(read)[-1] == "_errors.txt"


def test_item_of_unknown_size_is_truncated_at_4_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is patched to 2 MiB."""
    monkeypatch.setattr(zipping, "MAX_UINT32", (1 << 21) - 1)
    large = FakeResponse([bytes(100_000)] * 30)
    sink, what = packed({"/a": large, "/b": FakeResponse([b"b"])})
    assert what == Packed(1, ("/a: a is not whole: 4 GiB and more, of an unknown size",))
    read = python(sink.archive, Path())
    assert 1 << 20 < len(read["a"]) < 1 << 21
    assert read["b"] == b"b"


@pytest.mark.parametrize(
    ("responses", "why"),
    [
        (None, "/a: nobody there"),
        (FakeResponse(status=500), "/a: the answer was 500"),
        (FakeResponse([NOISE], failure="gone"), "/a: a is not whole: gone"),
    ],
)
def test_strict_archive_ends_at_the_first_failure(responses: FakeResponse | None, why: str) -> None:
    sink = Sink()
    fetcher = FakeFetcher({"/0": FakeResponse([b"0"]), **({"/a": responses} if responses else {})})
    items = [Item("/0"), Item("/a"), Item("/0")]
    with pytest.raises(BrokenError, match=why):
        asyncio.run(pack(items, fetcher, sink.write, Options(strict=True)))
    assert fetcher.is_left
    assert b"PK\x05\x06" not in sink.archive
    assert not zipfile.is_zipfile(io.BytesIO(sink.archive))


def test_strict_archive_without_failures_is_complete() -> None:
    sink, what = packed({"/a": FakeResponse([b"1"])}, options=Options(strict=True))
    assert python(sink.archive, Path()) == {"a": b"1"}
    assert what == Packed(1, ())


def test_blocked_writer_stops_reading_from_the_origin() -> None:
    fetcher = FakeFetcher({"/a": FakeResponse([NOISE] * 50, content_type="image/png")})

    async def until_stuck() -> int:
        is_stuck = asyncio.Event()

        async def write(data: bytes) -> None:
            is_stuck.set()
            await asyncio.Event().wait()

        async with asyncio.TaskGroup() as group:
            packing = group.create_task(pack([Item("/a")], fetcher, write), name="packing")
            async with asyncio.timeout(5000 * MS):
                await is_stuck.wait()
            read = fetcher.pieces_read
            for _ in range(100):
                await asyncio.sleep(0)
            assert fetcher.pieces_read == read
            packing.cancel()
        assert packing.cancelled()
        return read

    assert asyncio.run(until_stuck()) <= 2
    assert fetcher.is_left


def test_error_of_the_writer_ends_the_fetch() -> None:
    fetcher = FakeFetcher({"/a": FakeResponse([NOISE] * 50)})

    async def write(data: bytes) -> None:
        raise ConnectionResetError("the client left")

    with pytest.raises(ConnectionResetError):
        asyncio.run(pack([Item("/a")], fetcher, write))
    assert fetcher.is_left
    assert fetcher.pieces_read <= 2


def test_event_loop_is_not_blocked_by_compression() -> None:
    """Compression runs in a thread, so other tasks get turns of the event loop."""
    turns = 0

    async def others(packing: "asyncio.Task[Packed]") -> None:
        nonlocal turns
        while not packing.done():
            turns += 1
            await asyncio.sleep(0)

    async def both() -> None:
        fetcher = FakeFetcher({"/a": FakeResponse([NOISE])})
        async with asyncio.TaskGroup() as group:
            packing = group.create_task(pack([Item("/a")], fetcher, Sink().write), name="packing")
            await group.create_task(others(packing), name="others")

    asyncio.run(both())
    # The pieces of the body alone would give a dozen turns.
    assert turns > 100
