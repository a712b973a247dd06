"""A file that is there when it is whole, and not before."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from httpprocessproxy.core.errors import UserError


@contextlib.contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """What is written here is at `path` if the context ends well, in place of what was there.

    Until then it is in a hidden file beside it, which is removed if the context does not end well.
    Raises UserError if `path` can be no file.
    """
    # Where a link leads to, or it would be the link that is replaced.
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise UserError(f"{path} is there, and is no file")
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
