"""What a member of an archive is called: sane on every system, and never twice the same. Pure.

Rule: whatever came in, what goes out is a relative path of at most MAX_BYTES of UTF-8 in NFC, that
unpacks below the folder one unpacks in, on Linux, macOS and Windows alike. There two names that
differ in case alone are one file, so they count as equal here.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_plus, urlsplit

from httpprocessproxy.companions.archive.origins import Item

MAX_BYTES: Final = 200
# Of these, what folders may take: a file name is worth more than where it lies.
_FOLDERS_MAX_BYTES = 100
_FOLDER_MAX_BYTES = 50
_EXTENSION_MAX_BYTES = 20

# As often as some of those names are quoted: by a template, by a browser, by a server.
_UNQUOTINGS = 3
_FALLBACK = "index"
_DRIVE = re.compile(r"[A-Za-z]:")
# Control characters, lone surrogates, and what turns the direction of text: "gpj.exe" for a JPEG.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
_FORBIDDEN_ON_WINDOWS = re.compile(r'[<>:"|?*]')
# Devices of Windows, with any extension.
_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])\s*(?:\..*)?", re.I)


def wished(item: Item) -> str:
    """The path that an item asks for, made safe: what it says, or what its URL says."""
    folders = _folders(item.path)
    room = MAX_BYTES - sum(len(folder.encode()) + 1 for folder in folders)
    return "/".join((*folders, _fitted(_file_name(item), room)))


class MemberNames:
    """Gives out names, each at most once, among them those `taken` from the start."""

    def __init__(self, *taken: str) -> None:
        self._files = {_key(name) for name in taken}
        # As they were first spelled: the system we are unpacked on may take two for one.
        self._folders: dict[str, str] = {}
        # What number to try next, so that a thousand equal names are no million of questions.
        self._next: dict[str, int] = {}

    def unique(self, wish: str) -> str:
        """The name for `wish`, which is safe: `b/a.txt`, and the next time `b/a (2).txt`."""
        *folders, name = wish.split("/")
        parent = ""
        for folder in folders:
            # Numbers make folders longer, one below another as long as one likes.
            if len(parent.encode()) <= _FOLDERS_MAX_BYTES:
                parent = self._folder(f"{parent}{folder}") + "/"
        found = self._free(f"{parent}{_fitted(name, MAX_BYTES - len(parent.encode()))}")
        self._files.add(_key(found))
        return found

    def _folder(self, path: str) -> str:
        """A folder that is no file of ours, as it was spelled before."""
        known = self._folders.get(_key(path))
        if known is None:
            known = self._free(path)
            self._folders[_key(path)] = self._folders[_key(known)] = known
        return known

    def _free(self, path: str) -> str:
        key, name = _key(path), path
        while _key(name) in self._files or _key(name) in self._folders:
            number = self._next[key] = self._next.get(key, 1) + 1
            name = _numbered(path, number)
        return name


def _key(name: str) -> str:
    """What is equal for two names that some file system takes for one."""
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
    """As many of the folders, from the top, as may be."""
    kept: list[str] = []
    room = _FOLDERS_MAX_BYTES
    for segment in filter(None, map(_clean, path.replace("\\", "/").split("/"))):
        folder = _no_device(_cut(segment, _FOLDER_MAX_BYTES - 1))
        room -= len(folder.encode()) + 1
        if room < 0:
            break
        kept.append(folder)
    return kept


def _clean(segment: str) -> str:
    """One step of a path, as nearly every system takes it; empty for `..`, `C:` and such."""
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", segment)).strip()
    while _DRIVE.match(text):
        text = text[2:].lstrip()
    # Windows drops dots and spaces at the end, so that "..." is "" and "a." is "a".
    return _FORBIDDEN_ON_WINDOWS.sub("_", text).rstrip(". ")


def _no_device(name: str) -> str:
    """Called last: also what is left of a long name may be a device's."""
    return f"_{name}" if _DEVICE.fullmatch(name) else name


def _fitted(name: str, room: int) -> str:
    return _no_device(_trimmed(name, room - 1))


def _trimmed(name: str, room: int) -> str:
    """`name` in at most `room` bytes, its extension kept."""
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
    """The stem and the extension, which is empty where what it looks like is none."""
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) >= _EXTENSION_MAX_BYTES:
        return name, ""
    return stem, dot + extension


def _cut(text: str, room: int) -> str:
    """As much of it as fits into `room` bytes, and is as clean as it was; never nothing."""
    return text.encode()[:room].decode(errors="ignore").rstrip(". ") or "_"
