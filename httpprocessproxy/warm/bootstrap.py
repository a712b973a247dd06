"""The transfer of the files of inside/ into an interpreter: a short `-c`, and a memory file."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# Far above the lowest descriptors, which the program uses.
CONTROL_FD: Final = 250
SOURCE_FD: Final = 251

_FOLDER: Final = Path(__file__).with_name("inside")
TO_RECORD: Final = ("running", "recording")
TO_SERVE: Final = (*TO_RECORD, "preloading", "serving")
_FUTURE: Final = "from __future__ import annotations\n"

# The `warnings` module skips frames whose file name has "importlib" and "_bootstrap" in it.
_NAME: Final = "<importlib, our _bootstrap>"


def stub(otherwise: str) -> str:
    """The `-c` program that runs the source, or the statements `otherwise` in other interpreters.

    The source needs CPython 3.8 or later. The program leaves no name in __main__.
    """
    old = f"compile({otherwise!r}, '<string>', 'exec')"
    new = f"compile(__import__('os').read({SOURCE_FD}, 1 << 22), {_NAME!r}, 'exec')"
    check = "s.version_info >= (3, 8) and s.implementation.name == 'cpython'"
    return f"exec((lambda s: {new} if {check} else {old})(__import__('sys')), {{}})"


@contextlib.contextmanager
def source(files: tuple[str, ...], command: str) -> Iterator[int]:
    """Yield a descriptor of the text of some files of inside/, followed by ending.py.

    `command` is the expression that returns their command. Each start compiles the text, so it
    contains only the files that are needed.
    """
    texts = [*map(_text, files), f"command = {command}\n", _text("ending")]
    text = _FUTURE + "".join(texts).replace(_FUTURE, "")
    fd = os.memfd_create("source", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(text.encode("ascii"))
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def _text(name: str) -> str:
    return (_FOLDER / f"{name}.py").read_text(encoding="utf-8") + "\n"
