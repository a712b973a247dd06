"""The folder of keys and certificates, and the atomic creation of its files.

Only the user can read keys: mode 0600 in a folder of mode 0700. A folder is made under a temporary
name and then renamed, so two proxies that start at once end up with the same one.
"""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.system import user_folders as userfolders

_OWN = "use --tls-cert and --tls-key, or set XDG_DATA_HOME"


def data_folder() -> Path:
    """The folder of this user's certificates, which may not exist yet. Raises UserError."""
    with _home_required():
        return userfolders.data_folder() / "tls"


def home() -> Path:
    """The user's home folder. Raises UserError if there is none."""
    with _home_required():
        return Path.home()


@contextlib.contextmanager
def _home_required() -> Iterator[None]:
    """Convert the RuntimeError for a user without a home folder to UserError."""
    try:
        yield
    except RuntimeError as error:
        raise UserError(f"this user has no home for certificates: {_OWN}") from error


def make_once(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder with these files, unless it exists already. Raises UserError."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for name, content in files.items():
                _write(made / name, content)
            made.rename(folder)
        except OSError:
            shutil.rmtree(made)
            if not folder.is_dir():
                raise
    except OSError as error:
        raise _cannot("make", folder, error) from error


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file atomically. Raises UserError."""
    made = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        made.unlink(missing_ok=True)
        _write(made, content)
        made.replace(path)
    except OSError as error:
        raise _cannot("write", path, error) from error


def read_own(path: Path) -> bytes:
    """Read a key file. Raises UserError, also if another user owns or can read the file."""
    try:
        status = path.stat()
        content = path.read_bytes()
    except OSError as error:
        raise _cannot("read", path, error) from error
    if status.st_uid != os.geteuid():
        raise UserError(f"{path} belongs to another user: {_OWN}")
    if stat.S_IMODE(status.st_mode) & 0o077:
        remedy = f"remove {path.parent} to have a new one made"
        raise UserError(f"{path} can be read by others: {remedy}")
    return content


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _cannot(what: str, path: Path, error: OSError) -> UserError:
    return UserError(f"cannot {what} {path}: {error.strerror}; {_OWN}")
