"""Where our keys are kept, and files that exist whole or not at all.

Keys are the user's alone: 0600 in a folder of 0700. A folder is made beside its place and then
renamed, so two proxies that start at once end up with the same one.
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
    with _needing_a_home():
        return userfolders.data_folder() / "tls"


def home() -> Path:
    """The user's home. Raises UserError."""
    with _needing_a_home():
        return Path.home()


@contextlib.contextmanager
def _needing_a_home() -> Iterator[None]:
    """Raises UserError in the place of RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        raise UserError(f"this user has no home for certificates: {_OWN}") from error


def make_once(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder with these files, unless it is there already. Raises UserError."""
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
    """Put a new file in the place of an old one, at one go. Raises UserError."""
    made = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        made.unlink(missing_ok=True)
        _write(made, content)
        made.replace(path)
    except OSError as error:
        raise _cannot("write", path, error) from error


def read_own(path: Path) -> bytes:
    """Read a key of ours, which nobody else may have or change. Raises UserError."""
    try:
        about = path.stat()
        content = path.read_bytes()
    except OSError as error:
        raise _cannot("read", path, error) from error
    if about.st_uid != os.geteuid():
        raise UserError(f"{path} belongs to another user: {_OWN}")
    if stat.S_IMODE(about.st_mode) & 0o077:
        raise UserError(f"{path} can be read by others: remove {path.parent} to have it made anew")
    return content


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _cannot(what: str, path: Path, error: OSError) -> UserError:
    return UserError(f"cannot {what} {path}: {error.strerror}; {_OWN}")
