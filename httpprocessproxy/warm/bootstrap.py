"""How the files of inside/ get into an interpreter: by a short `-c`, and a memory file."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# Far from where the program's own descriptors begin.
CONTROL_FD: Final = 250
SOURCE_FD: Final = 251

_FOLDER: Final = Path(__file__).with_name("inside")
TO_RECORD: Final = ("running", "recording")
TO_SERVE: Final = (*TO_RECORD, "preloading", "serving")
_FUTURE: Final = "from __future__ import annotations\n"

# "importlib" and "_bootstrap" make it a frame that warnings do not count.
_NAME: Final = "<importlib, our _bootstrap>"


def stub(otherwise: str) -> str:
    """The `-c` that runs the source, or the statements `otherwise` where that cannot run.

    It leaves no name in __main__.
    """
    old = f"compile({otherwise!r}, '<string>', 'exec')"
    new = f"compile(__import__('os').read({SOURCE_FD}, 1 << 22), {_NAME!r}, 'exec')"
    check = "s.version_info >= (3, 8) and s.implementation.name == 'cpython'"
    return f"exec((lambda s: {new} if {check} else {old})(__import__('sys')), {{}})"


@contextlib.contextmanager
def source(files: tuple[str, ...], command: str) -> Iterator[int]:
    """A descriptor of the text of some files of inside/; `command` is what gives their command.

    Each line is compiled anew at each start: so only what is needed.
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
