"""What a program imports, kept from one session to the next in the user's cache folder.

A record is a hint and never a fact: whatever is missing or wrong with it, the next cold start
makes it anew. So nothing here raises but for a bug of ours.
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

# Changes when a record says something else than before.
_FORMAT: Final = "1"

# What Python itself, and its environments, are led by. PATH has led to the interpreter already.
_COUNTS: Final = ("PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX")

# What tells one set of installed distributions from another.
_INSTALLED: Final = (".dist-info", ".egg-info", ".egg-link", ".pth")


@dataclass(frozen=True, slots=True)
class CachedRecord:
    """A record, and what a start takes without it, if that is known."""

    record: ImportRecord
    cold_ms: float | None = None


class RecordCache:
    """The place of one program's record."""

    def __init__(self, folder: Path | None, key: str) -> None:
        """Without a folder nothing is kept."""
        self._path = folder / f"{key}.json" if folder is not None else None

    def load(self) -> CachedRecord | None:
        """What is kept, if the same distributions are installed as then."""
        if self._path is None:
            return None
        try:
            # What it names is imported: nobody else may have written it.
            is_ours = self._path.stat().st_uid == os.geteuid()
            value: object = json.loads(self._path.read_bytes()) if is_ours else None
        except (OSError, ValueError, RecursionError):
            return None
        match value:
            case {"record": str(text), "lock": str(lock), "cold_ms": float() | None as cold_ms}:
                return _kept(text, lock, cold_ms)
        return None

    def save(self, kept: CachedRecord) -> None:
        """Keep it in the place of what was kept before, if that can be done."""
        if self._path is None:
            return
        lock, text = lock_of(kept.record.folders), kept.record.dump()
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, made = tempfile.mkstemp(prefix=".", dir=self._path.parent)
            with open(descriptor, "w", encoding="ascii") as file:
                json.dump({"record": text, "lock": lock, "cold_ms": kept.cold_ms}, file)
            os.replace(made, self._path)
        except OSError:
            return


def _kept(text: str, lock: str, cold_ms: float | None) -> CachedRecord | None:
    try:
        record = ImportRecord.load(text)
    except (ValueError, RecursionError):
        return None
    return CachedRecord(record, cold_ms) if lock_of(record.folders) == lock else None


def cache_folder() -> Path | None:
    """The folder of this user's records, which may not exist yet; None without a home."""
    try:
        return userfolders.cache_folder() / "preload"
    except RuntimeError:
        return None


def key_of(
    interpreter: str, words: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> str:
    """The name of the record of a command: its words, its interpreter, where and how it runs."""
    told = sorted(item for item in environment.items() if item[0].startswith(_COUNTS))
    parts = [_FORMAT, interpreter, _stamp(interpreter), *words, str(folder), *map("=".join, told)]
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:32]


def lock_of(folders: Iterable[str]) -> str:
    """What is installed in these folders, and since when."""
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
