"""The ZIP format: read back by several readers, and checked in fields that no reader checks."""

import io
import random
import struct
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpprocessproxy.companions.archive import zipping
from httpprocessproxy.companions.archive.zipping import Level, ZipStream, ZipTooLargeError
from test.companions.archive.unzipping import READERS, need, python, run

MOMENT = datetime(2026, 11, 21, 12, 34, 56)
NOISE = random.Random(1).randbytes(300_000)
CONTENTS = {
    "empty": b"",
    "page.html": b"<p>Hello</p>" * 10_000,
    "folder/na\u00efve \u96ea [1]*.txt": b"snow",
    "noise.jpg": NOISE,
}


def archive(contents: dict[str, bytes], sizes: dict[str, int] | None = None) -> bytes:
    stream = ZipStream(MOMENT, "A comment")
    out = bytearray()
    for name, content in contents.items():
        level = Level.NONE if name.endswith(".jpg") else Level.USUAL
        out += stream.begin(name, (sizes or {}).get(name), level)
        for start in range(0, len(content), 100_000):
            out += stream.feed(content[start : start + 100_000])
        out += stream.end()
    return bytes(out) + b"".join(stream.finish())


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_reads_the_contents(reader: str, tmp_path: Path) -> None:
    need(reader)
    assert READERS[reader](archive(CONTENTS), tmp_path) == CONTENTS


@pytest.mark.parametrize("reader", ["python", "java"])
def test_empty_archive_is_readable(reader: str, tmp_path: Path) -> None:
    # unzip and bsdtar treat an empty archive as an error.
    need(reader)
    assert READERS[reader](archive({}), tmp_path) == {}


def test_directory_entries_have_the_expected_fields() -> None:
    with zipfile.ZipFile(io.BytesIO(archive(CONTENTS))) as opened:
        assert opened.comment == b"A comment"
        for info in opened.infolist():
            assert info.external_attr >> 16 == 0o100600
            assert info.create_system == 3
            assert info.date_time == (2026, 11, 21, 12, 34, 56)
            assert info.flag_bits == 0x0808
            assert info.compress_type == zipfile.ZIP_DEFLATED
            assert info.extract_version == 20
            assert not info.extra


def test_truncated_member_is_closed_and_another_follows() -> None:
    stream = ZipStream(MOMENT)
    out = stream.begin("a", 1000) + stream.feed(b"half") + stream.end()
    out += stream.begin("b", None) + stream.feed(b"whole") + stream.end()
    out += b"".join(stream.finish())
    assert python(out, Path()) == {"a": b"half", "b": b"whole"}


@given(st.lists(st.binary(max_size=3000), max_size=8), st.sampled_from(Level))
@settings(deadline=None)
def test_content_is_independent_of_the_pieces(pieces: list[bytes], level: Level) -> None:
    stream = ZipStream(MOMENT)
    out = stream.begin("a", None, level) + b"".join(map(stream.feed, pieces)) + stream.end()
    assert python(out + b"".join(stream.finish()), Path()) == {"a": b"".join(pieces)}


@pytest.mark.parametrize("reader", ["python", "unzip"])
def test_only_a_member_with_a_large_announced_size_is_zip64(reader: str, tmp_path: Path) -> None:
    # Streaming readers accept zip64 only for really large members: see test_large.py.
    written = archive(CONTENTS, {"page.html": 1 << 32})
    assert READERS[reader](written, tmp_path) == CONTENTS
    with zipfile.ZipFile(io.BytesIO(written)) as opened:
        versions = {info.filename: info.extract_version for info in opened.infolist()}
    assert [name for name, version in versions.items() if version == 45] == ["page.html"]


@pytest.mark.parametrize(
    ("size", "is_zip64"),
    [(None, False), (0, False), ((1 << 32) - (1 << 22), False), ((1 << 32) - 1, True)],
)
def test_announced_size_above_the_limit_needs_zip64(size: int | None, is_zip64: bool) -> None:
    head = ZipStream(MOMENT).begin("a", size)
    version, *_, extra_bytes = struct.unpack_from("<H22xH", head, 4)
    assert (version, extra_bytes) == ((45, 20) if is_zip64 else (20, 0))


def test_more_than_65535_members_are_readable(tmp_path: Path) -> None:
    names = [str(number) for number in range(65_540)]
    path = tmp_path / "many.zip"
    path.write_bytes(archive(dict.fromkeys(names, b"")))
    with zipfile.ZipFile(path) as opened:
        assert opened.namelist() == names
    assert run("unzip", "-Z1", str(path)).decode().split() == names


def test_member_that_begins_beyond_4_gib_is_readable(tmp_path: Path) -> None:
    stream = ZipStream(MOMENT)
    path = tmp_path / "archive.zip"
    with path.open("wb") as file:
        file.write(stream.begin("a", None) + stream.feed(b"before") + stream.end())
        # A sparse hole in place of a member of 5 GiB occupies no disk space.
        stream._offset += 5 << 30
        file.seek(5 << 30, io.SEEK_CUR)
        file.write(stream.begin("b", None) + stream.feed(b"behind") + stream.end())
        file.write(b"".join(stream.finish()))
    run("unzip", "-tqq", str(path))
    assert run("unzip", "-p", str(path), "a", "b") == b"beforebehind"
    with zipfile.ZipFile(path) as opened:
        assert [opened.read(name) for name in "ab"] == [b"before", b"behind"]
        assert [info.extract_version for info in opened.infolist()] == [20, 45]


def test_member_of_unknown_size_may_have_4_gib_less_a_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipping, "MAX_UINT32", (1 << 22) - 1)
    stream = ZipStream(MOMENT)
    out = stream.begin("a", None)
    out += b"".join(stream.feed(bytes((1 << 20) - spare)) for spare in (0, 0, 0, 2))
    with pytest.raises(ZipTooLargeError):
        stream.feed(bytes(2))
    out += stream.feed(bytes(1)) + stream.end()
    with pytest.raises(ZipTooLargeError):
        stream.feed(bytes(1))
    assert python(out + b"".join(stream.finish()), Path())["a"] == bytes((1 << 22) - 1)


def test_incompressible_member_of_unknown_size_stays_below_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(zipping, "MAX_UINT32", (1 << 22) - 1)
    stream = ZipStream(MOMENT)
    out = bytearray(stream.begin("a", None, Level.NONE))

    def fill() -> None:
        while True:
            out.extend(stream.feed(NOISE[:100_000]))

    with pytest.raises(ZipTooLargeError):
        fill()
    out += stream.end()
    assert len(out) < 1 << 22
    member = python(bytes(out) + b"".join(stream.finish()), Path())["a"]
    assert len(member) > 1 << 21
    assert member == NOISE[:100_000] * (len(member) // 100_000)


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("piece_bytes", [1_000, 10_000, 300_000])
def test_deflated_size_never_exceeds_the_assumed_maximum(level: Level, piece_bytes: int) -> None:
    stream = ZipStream(MOMENT)
    stream.begin("a", None, level)
    rounds = 3_000_000 // piece_bytes
    compressed = sum(len(stream.feed(NOISE[:piece_bytes])) for _ in range(rounds))
    compressed += len(stream.end()) - 16
    size = piece_bytes * rounds
    assert compressed <= size + size // 2048 + 64
