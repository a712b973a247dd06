"""Archives of what a fetcher brings: whole ones, ones with failures, and ones nobody waits for."""

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
from test.companions.archive.fetchers import FakeFetcher, Said
from test.companions.archive.unzipping import READERS, need, python, run
from test.deadline import MS

NOISE = random.Random(1).randbytes(1_000_000)


class Sink:
    """Keeps what is written, and how it came."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def write(self, data: bytes) -> None:
        assert data, "an empty chunk would end a chunked body"
        self.pieces.append(data)

    @property
    def archive(self) -> bytes:
        return b"".join(self.pieces)


def packed(
    said: Mapping[str, Said], items: Sequence[Item] = (), options: Options | None = None
) -> tuple[Sink, Packed]:
    sink, wanted = Sink(), items or [Item(url) for url in said]
    what = asyncio.run(pack(wanted, FakeFetcher(said), sink.write, options))
    return sink, what


def test_an_archive_of_nothing() -> None:
    sink, what = packed({})
    assert python(sink.archive, Path()) == {}
    assert what == Packed(0, ())


def test_items_in_order_under_names_that_differ() -> None:
    said = {"/a": Said([b"1"]), "/x/a": Said([b"2", b"2"]), "/y/A": Said(), "/b": Said([b"4"])}
    sink, what = packed(said)
    assert python(sink.archive, Path()) == {"a": b"1", "a (2)": b"22", "A (3)": b"", "b": b"4"}
    assert what == Packed(4, ())
    with zipfile.ZipFile(io.BytesIO(sink.archive)) as opened:
        assert opened.comment == b"Written by http-process-proxy"


@pytest.mark.parametrize("reader", READERS)
def test_a_thousand_items(reader: str, tmp_path: Path) -> None:
    need(reader)
    # A process for each member takes unzip too long.
    said = {f"/{number}.txt": Said([b"%d" % number]) for number in range(1_000)}
    archive = packed(said)[0].archive
    if reader == "unzip":
        path = tmp_path / "archive.zip"
        path.write_bytes(archive)
        assert b"No errors" in run("unzip", "-tq", str(path))
        return
    read = READERS[reader](archive, tmp_path)
    assert read == {f"{number}.txt": b"%d" % number for number in range(1_000)}


def test_a_small_member_is_one_write() -> None:
    sink, _ = packed({f"/{number}": Said([b"x"] * 10) for number in range(10)})
    assert len(sink.pieces) == 11, "and the directory another"


@pytest.mark.parametrize("content_type", ["text/plain", "image/png"])
@pytest.mark.parametrize("piece_bytes", [1, 1_000, 100_000, 1_000_000])
def test_bodies_in_pieces_of_any_size(content_type: str, piece_bytes: int) -> None:
    content = NOISE[: min(len(NOISE), piece_bytes * 1_000)]
    pieces = [content[at : at + piece_bytes] for at in range(0, len(content), piece_bytes)]
    sink, _ = packed({"/a": Said(pieces, content_type=content_type, size=len(content))})
    assert python(sink.archive, Path()) == {"a": content}


def test_what_is_compressed_already_is_only_wrapped() -> None:
    plain = [bytes(100_000)]
    sizes = {}
    for kind in ("text/plain", "image/png"):
        sink, _ = packed({"/a": Said(plain, content_type=kind)})
        sizes[kind] = len(sink.archive)
    assert sizes["text/plain"] < 1_000
    assert 100_000 < sizes["image/png"] < 101_000


def test_failures_are_the_last_member() -> None:
    said = {
        "/a": Said([b"whole"]),
        "/gone": Said([b"not found"], status=404),
        "/empty": Said(status=204),
        "/cut": Said([b"ha", b"lf"], size=8, failure="the connection broke"),
        "/_errors.txt": Said([b"a page"]),
    }
    items = [Item("/nobody\n"), *map(Item, said)]
    sink, what = packed(said, items)
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


def test_an_item_that_does_not_tell_its_size_ends_at_4_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    """In small: at 2 MiB."""
    monkeypatch.setattr(zipping, "MAX_UINT32", (1 << 21) - 1)
    large = Said([bytes(100_000)] * 30)
    sink, what = packed({"/a": large, "/b": Said([b"b"])})
    assert what == Packed(1, ("/a: a is not whole: 4 GiB and more, of a size that was not told",))
    read = python(sink.archive, Path())
    assert 1 << 20 < len(read["a"]) < 1 << 21
    assert read["b"] == b"b"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (None, "/a: nobody there"),
        (Said(status=500), "/a: the answer was 500"),
        (Said([NOISE], failure="gone"), "/a: a is not whole: gone"),
    ],
)
def test_a_strict_archive_breaks_at_the_first_failure(said: Said | None, why: str) -> None:
    sink = Sink()
    fetcher = FakeFetcher({"/0": Said([b"0"]), **({"/a": said} if said else {})})
    items = [Item("/0"), Item("/a"), Item("/0")]
    with pytest.raises(BrokenError, match=why):
        asyncio.run(pack(items, fetcher, sink.write, Options(strict=True)))
    assert fetcher.is_left
    assert b"PK\x05\x06" not in sink.archive
    assert not zipfile.is_zipfile(io.BytesIO(sink.archive))


def test_a_strict_archive_without_failures_is_whole() -> None:
    sink, what = packed({"/a": Said([b"1"])}, options=Options(strict=True))
    assert python(sink.archive, Path()) == {"a": b"1"}
    assert what == Packed(1, ())


def test_nothing_is_read_while_nobody_takes_what_was_written() -> None:
    fetcher = FakeFetcher({"/a": Said([NOISE] * 50, content_type="image/png")})

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


def test_a_writer_that_fails_ends_it() -> None:
    fetcher = FakeFetcher({"/a": Said([NOISE] * 50)})

    async def write(data: bytes) -> None:
        raise ConnectionResetError("the client left")

    with pytest.raises(ConnectionResetError):
        asyncio.run(pack([Item("/a")], fetcher, write))
    assert fetcher.is_left
    assert fetcher.pieces_read <= 2


def test_the_loop_goes_on_while_much_is_compressed() -> None:
    """Other work takes turns with it: compression is in a thread."""
    turns = 0

    async def others(packing: "asyncio.Task[Packed]") -> None:
        nonlocal turns
        while not packing.done():
            turns += 1
            await asyncio.sleep(0)

    async def both() -> None:
        fetcher = FakeFetcher({"/a": Said([NOISE])})
        async with asyncio.TaskGroup() as group:
            packing = group.create_task(pack([Item("/a")], fetcher, Sink().write), name="packing")
            await group.create_task(others(packing), name="others")

    asyncio.run(both())
    # Pieces alone would make it a dozen.
    assert turns > 100
