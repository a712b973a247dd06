"""The cache of import records, in the user's cache folder, from one session to the next.

A cached record is only a hint: if it is missing or wrong, the next cold start records the imports
again. So nothing here raises an exception, except for a bug.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from httpprocessproxy.system import user_folders as userfolders
from httpprocessproxy.warm.record import ImportRecord

# The version of the format: changes when the meaning of a record changes.
_FORMAT: Final = "1"

# Prefixes of the variables that Python and its environments depend on. PATH is left out: it only
# led to the interpreter, which is part of the key.
_PREFIXES: Final = ("PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX")

# The name endings of files that identify the set of installed distributions.
_INSTALLED: Final = (".dist-info", ".egg-info", ".egg-link", ".pth")


@dataclass(frozen=True, slots=True)
class CachedRecord:
    """A record, and the duration of a cold start, if that is known."""

    record: ImportRecord
    cold_ms: float | None = None


class RecordCache:
    """The cache file of one program's record."""

    def __init__(self, folder: Path | None, key: str) -> None:
        """Without a folder, nothing is cached."""
        self._path = folder / f"{key}.json" if folder is not None else None

    def load(self) -> CachedRecord | None:
        """The cached record; None without one, or if other distributions are installed now."""
        if self._path is None:
            return None
        try:
            # The modules that it names are imported, so a file of another user is not trusted.
            is_ours = self._path.stat().st_uid == os.geteuid()
            value: object = json.loads(self._path.read_bytes()) if is_ours else None
        except (OSError, ValueError, RecursionError):
            return None
        match value:
            case {"record": str(text), "lock": str(lock), "cold_ms": float() | None as cold_ms}:
                return _validated(text, lock, cold_ms)
        return None

    def save(self, cached: CachedRecord) -> None:
        """Replace the cached record; does nothing if the file cannot be written."""
        if self._path is None:
            return
        lock, text = lock_of(cached.record.folders), cached.record.dump()
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, made = tempfile.mkstemp(prefix=".", dir=self._path.parent)
            with open(descriptor, "w", encoding="ascii") as file:
                json.dump({"record": text, "lock": lock, "cold_ms": cached.cold_ms}, file)
            os.replace(made, self._path)
        except OSError:
            return


def _validated(text: str, lock: str, cold_ms: float | None) -> CachedRecord | None:
    try:
        record = ImportRecord.load(text)
    except (ValueError, RecursionError):
        return None
    return CachedRecord(record, cold_ms) if lock_of(record.folders) == lock else None


def cache_folder() -> Path | None:
    """The folder of this user's records, which may not exist yet; None without a home folder."""
    try:
        return userfolders.cache_folder() / "preload"
    except RuntimeError:
        return None


def key_of(
    interpreter: str, words: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> str:
    """The key of a command's record: a hash of interpreter, words, folder, and Python variables."""
    items = sorted(item for item in environment.items() if item[0].startswith(_PREFIXES))
    parts = [_FORMAT, interpreter, _stamp(interpreter), *words, str(folder), *map("=".join, items)]
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:32]


def lock_of(folders: Iterable[str]) -> str:
    """A hash of the distributions installed in these folders, and their modification times."""
    found = []
    for folder in folders:
        try:
            names = [name for name in os.listdir(folder) if name.endswith(_INSTALLED)]
        except OSError:
            continue
        found += [f"{name} {_stamp(os.path.join(folder, name))}" for name in sorted(names)]
    return hashlib.sha256("\n".join(found).encode(errors="surrogateescape")).hexdigest()


def _stamp(path: str) -> str:
    try:
        return str(os.stat(path).st_mtime_ns)
    except OSError:
        return ""
