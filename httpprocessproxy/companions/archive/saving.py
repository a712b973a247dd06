"""Atomic writing of a file: it appears under its name only when it is complete."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from httpprocessproxy.core.errors import UserError


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[BinaryIO]:
    """Write to a hidden file beside `path`, which replaces `path` when the context ends.

    An exception in the context removes the hidden file and leaves `path` unchanged.
    Raises UserError if `path` cannot be written or is not a regular file.
    """
    # The target of a symbolic link is replaced, not the link.
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise UserError(f"{path} exists and is not a file")
    partial = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        file = partial.open("xb")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
    try:
        with file:
            yield file
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
