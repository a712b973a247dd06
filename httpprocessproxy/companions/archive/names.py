"""Names of archive members: valid on every system, and unique in an archive. Pure.

Rule: every name is a relative path of at most MAX_BYTES of UTF-8 in NFC that unpacks below the
target folder on Linux, macOS and Windows. Names that differ only in case are one file on macOS and
Windows, so they count as equal here.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_plus, urlsplit

from httpprocessproxy.companions.archive.origins import Item

MAX_BYTES: Final = 200
# The part of MAX_BYTES for folders: a file name is worth more than its folders.
_FOLDERS_MAX_BYTES = 100
_FOLDER_MAX_BYTES = 50
_EXTENSION_MAX_BYTES = 20

# Names may be percent-encoded up to three times: by a template, by a browser, by a server.
_UNQUOTINGS = 3
_FALLBACK = "index"
_DRIVE = re.compile(r"[A-Za-z]:")
# Control characters, lone surrogates, and controls of text direction, which make "gpj.exe" look
# like a JPEG.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
_FORBIDDEN_ON_WINDOWS = re.compile(r'[<>:"|?*]')
# Reserved device names of Windows, with any extension.
_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])\s*(?:\..*)?", re.I)


def member_path(item: Item) -> str:
    """The sanitized path of a member, from the item's path and name or from its URL."""
    folders = _folders(item.path)
    room = MAX_BYTES - sum(len(folder.encode()) + 1 for folder in folders)
    return "/".join((*folders, _fitted(_file_name(item), room)))


class MemberNames:
    """Allocates unique member names; `taken` are reserved from the start."""

    def __init__(self, *taken: str) -> None:
        self._files = {_key(name) for name in taken}
        # In their first spelling: some file systems treat two spellings as one folder.
        self._folders: dict[str, str] = {}
        # The last number used for a name, so that a thousand equal names are not a million tries.
        self._last_number: dict[str, int] = {}

    def unique(self, path: str) -> str:
        """A unique name for a sanitized path: `b/a.txt`, and the next time `b/a (2).txt`."""
        *folders, name = path.split("/")
        parent = ""
        for folder in folders:
            # Numbers can lengthen every nested folder, so deeper ones are dropped above the limit.
            if len(parent.encode()) <= _FOLDERS_MAX_BYTES:
                parent = self._folder(f"{parent}{folder}") + "/"
        found = self._free(f"{parent}{_fitted(name, MAX_BYTES - len(parent.encode()))}")
        self._files.add(_key(found))
        return found

    def _folder(self, path: str) -> str:
        """A folder's path in its first spelling, distinct from all files."""
        known = self._folders.get(_key(path))
        if known is None:
            known = self._free(path)
            self._folders[_key(path)] = self._folders[_key(known)] = known
        return known

    def _free(self, path: str) -> str:
        key, name = _key(path), path
        while _key(name) in self._files or _key(name) in self._folders:
            number = self._last_number[key] = self._last_number.get(key, 1) + 1
            name = _numbered(path, number)
        return name


def _key(name: str) -> str:
    """A key that is equal for names that some file system treats as one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _file_name(item: Item) -> str:
    for text in _candidates(item):
        for _ in range(_UNQUOTINGS):
            text = unquote_plus(text)
        name = _clean(text.replace("\\", "/").rpartition("/")[2])
        if name:
            return name
    return _FALLBACK


def _candidates(item: Item) -> Iterator[str]:
    yield item.name
    try:
        parts = urlsplit(item.url)
        host = parts.hostname or ""
    except ValueError:
        return
    yield parts.path.rstrip("/").rpartition("/")[2]
    yield host


def _folders(path: str) -> list[str]:
    """The sanitized folders of a path, from the top, up to the limit of bytes."""
    folders: list[str] = []
    room = _FOLDERS_MAX_BYTES
    for segment in filter(None, map(_clean, path.replace("\\", "/").split("/"))):
        folder = _no_device(_cut(segment, _FOLDER_MAX_BYTES - 1))
        room -= len(folder.encode()) + 1
        if room < 0:
            break
        folders.append(folder)
    return folders


def _clean(segment: str) -> str:
    """One segment of a path, made valid on nearly every system; empty for `..`, `C:` and such."""
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", segment)).strip()
    while _DRIVE.match(text):
        text = text[2:].lstrip()
    # Windows drops trailing dots and spaces: "..." becomes "" and "a." becomes "a".
    return _FORBIDDEN_ON_WINDOWS.sub("_", text).rstrip(". ")


def _no_device(name: str) -> str:
    """The name, prefixed if it is a device. Call it last: a truncated name may be a device, too."""
    return f"_{name}" if _DEVICE.fullmatch(name) else name


def _fitted(name: str, room: int) -> str:
    return _no_device(_trimmed(name, room - 1))


def _trimmed(name: str, room: int) -> str:
    """`name` truncated to `room` bytes before its extension."""
    if len(name.encode()) <= room:
        return name
    stem, extension = _split(name)
    return _cut(stem, room - len(extension.encode())) + extension


def _numbered(path: str, number: int) -> str:
    folder, slash, name = path.rpartition("/")
    stem, extension = _split(name)
    tail = f" ({number}){extension}"
    room = MAX_BYTES - len(f"{folder}{slash}{tail}".encode())
    return f"{folder}{slash}{_cut(stem, room)}{tail}"


def _split(name: str) -> tuple[str, str]:
    """The stem and the extension with its dot; a long suffix does not count as an extension."""
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) >= _EXTENSION_MAX_BYTES:
        return name, ""
    return stem, dot + extension


def _cut(text: str, room: int) -> str:
    """The text truncated to `room` bytes of UTF-8, without trailing dots or blanks; never empty."""
    return text.encode()[:room].decode(errors="ignore").rstrip(". ") or "_"
