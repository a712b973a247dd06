"""Readers of ZIP archives; each returns the contents by name, in order.

Python and unzip read an archive by its central directory, from the end. bsdtar, with a pipe as its
input, and Java's ZipInputStream, the strictest reader, read it as a stream from the beginning.
"""

import io
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

TIMEOUT_S: Final = 60.0

Reader = Callable[[bytes, Path], Mapping[str, bytes]]

_JAVA = Path(__file__).parent / "ReadZip.java"


def python(archive: bytes, _folder: Path) -> Mapping[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return {info.filename: opened.read(info) for info in opened.infolist()}


def unzip(archive: bytes, folder: Path) -> Mapping[str, bytes]:
    path = folder / "archive.zip"
    path.write_bytes(archive)
    run("unzip", "-tqq", str(path))
    names = run("unzip", "-Z1", str(path)).decode().splitlines()
    return {name: run("unzip", "-p", str(path), _literal(name)) for name in names}


def bsdtar(archive: bytes, folder: Path) -> Mapping[str, bytes]:
    home = folder / "bsdtar"
    home.mkdir()
    run("bsdtar", "-x", "-f", "-", "-C", str(home), stdin=archive)
    names = run("bsdtar", "-t", "-f", "-", stdin=archive).decode().splitlines()
    return {name: (home / name).read_bytes() for name in names}


def java(archive: bytes, _folder: Path) -> Mapping[str, bytes]:
    """The output of ReadZip.java: for each member its name, its size and its bytes."""
    output = io.BytesIO(run("java", "-Dfile.encoding=UTF-8", str(_JAVA), stdin=archive))
    read: dict[str, bytes] = {}
    while name := output.readline().decode().rstrip("\n"):
        read[name] = output.read(int(output.readline()))
    return read


READERS: Final[Mapping[str, Reader]] = {
    "python": python,
    "unzip": unzip,
    "bsdtar": bsdtar,
    "java": java,
}


def need(command: str) -> None:
    """Require a program; skip without a JDK, which is too large to require for the tests."""
    if command == "java" and shutil.which("javac") is None:
        pytest.skip("no Java here that compiles")
    assert command == "python" or shutil.which(command), f"no {command}: see test/run.sh"


def _literal(name: str) -> str:
    """A name with its special characters escaped: unzip reads names as patterns."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def run(*command: str, stdin: bytes = b"") -> bytes:
    """The output of a command for this input; asserts success."""
    # Without a UTF-8 locale the programs escape names.
    environment = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, input=stdin, capture_output=True, timeout=TIMEOUT_S, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
