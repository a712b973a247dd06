"""Which files count: globs wanted, globs excluded, and what never counts unless it is named.

The rule: a file counts if it matches any pattern and no exclude. By default `*` and `**` do not
cross what tools write for themselves (version control, caches, virtual environments, databases);
a segment that says more than `*` or `**` does: `**/*.py` leaves `.venv/lib/x.py` alone,
`.venv/**/*.py` brings it back, and `**/__pycache__/*.pyc` the bytecode. Folders that are a tool's
whatever their name are given as `by_tool`. Editors' temporary files come and go beside every save:
no pattern brings them back.

A glob is `/`-separated segments, relative to the working directory, with `**`, `*`, `?`, `[]` and
`{a,b}`; `*` matches dotfiles too. One that ends in a plain name, as `src` or `src/`, also covers
what is inside a directory of that name. No I/O.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

import bracex
from wcmatch import glob as wcmatch

from httpprocessproxy.core.errors import UserError

# Reported in place of a path when a watcher lost track: anything may have changed.
ANYTHING: Final = "**"

# Written by tools while they work, and by the backend itself: caches, bytecode, its database.
TOOL_NAMES: Final = (
    *(".git", ".hg", ".svn", ".jj", ".idea"),
    *("__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"),
    *(".venv", "venv", ".tox", ".nox", ".direnv", "node_modules"),
)
TOOL_FILES: Final = (
    *("*.py[co]", ".DS_Store"),
    *("*.sqlite", "*.sqlite3", "*.sqlite-*", "*.sqlite3-*", "*.db", "*.db3"),
    *("*-journal", "*-wal", "*-shm"),  # SQLite's, beside a database of any name
    *("*.duckdb", "*.duckdb.wal", "dump.rdb"),
)

# Names of files beside the one that is edited; who leaves them.
EDITOR_FILES: Final = (
    *("*~", ".*.sw?", ".*.sw?x", "4913"),  # vim; 4913 tells it whether a directory is writable
    *(".#*", "#*#", "flycheck_*", ".flycheck_*"),  # Emacs
    *("*___jb_*", ".subl*.tmp", ".goutputstream-*", "*.kate-swp", "*.vsctmp", ".~lock.*#"),
    ".tmp??????",  # Rust's tempfile: Zed, Helix
    ".nfs????????*",  # NFS: a file that was removed while open
)

_FLAGS: Final = wcmatch.GLOBSTAR | wcmatch.DOTGLOB | wcmatch.FORCEUNIX
_NOTHING: Final = "(?!)"
# Before a component that is a tool's: no path contains it.
_MARK: Final = "\0"
_COMPONENT: Final = "[^/]+"
_MAGIC: Final = re.compile(r"[*?\[]")
_MAX_ALTERNATIVES: Final = 1000

Segments = tuple[str, ...]


class Patterns:
    """Decides of a path, relative to the working directory and with `/`, whether it counts.

    Raises UserError for a glob that cannot be read. Without `default_excludes` nothing is left
    out that `excludes` does not name.
    """

    def __init__(
        self, patterns: Sequence[str], excludes: Sequence[str], default_excludes: bool
    ) -> None:
        wanted = [one for glob in patterns or ("**",) for one in _parse(glob)]
        unwanted = [one for glob in excludes for one in _parse(glob)]
        names, files, by_editors = (
            (TOOL_NAMES, TOOL_FILES, EDITOR_FILES) if default_excludes else ((), (), ())
        )
        by_tools = _any(map(_segment, (*names, *files)))
        beside_tools = f"(?!{_MARK}|{by_tools}(?:/|\\Z)){_COMPONENT}"

        self._tool_names = frozenset(names)
        self._tool_file = re.compile(_any(map(_segment, files)))
        self._editor_file = re.compile(_any(map(_segment, by_editors)))
        self._excluded = re.compile(_any(_file(one, _COMPONENT) for one in unwanted))
        self._excluded_folder = re.compile(_any(map(_covered, unwanted)), re.DOTALL)
        self._file = re.compile(_any(_file(one, _COMPONENT) for one in wanted))
        self._folder = re.compile(_any(_folder(one, _COMPONENT) for one in wanted))
        self._named_file = re.compile(_any(_file(one, beside_tools) for one in wanted))
        self._named_folder = re.compile(_any(_folder(one, beside_tools) for one in wanted))

    def matches(self, path: str, by_tool: str = "") -> bool:
        """Whether the file at `path` counts; `by_tool` is a folder above that is a tool's."""
        components = path.split("/")
        name = components[-1]
        if self._editor_file.fullmatch(name) or self._excluded.fullmatch(path):
            return False
        if by_tool:
            return self._named_file.fullmatch(_marked(path, by_tool)) is not None
        is_tools = self._tool_file.fullmatch(name) or not self._tool_names.isdisjoint(components)
        wanted = self._named_file if is_tools else self._file
        return wanted.fullmatch(path) is not None

    def may_contain(self, directory: str, by_tool: str = "") -> bool:
        """Whether a file anywhere below `directory` can count; "" is the working directory.

        `by_tool` is a folder above, or `directory` itself, that is a tool's.
        """
        if not directory:
            return True
        if self._excluded_folder.fullmatch(directory):
            return False
        if by_tool:
            return self._named_folder.fullmatch(_marked(directory, by_tool)) is not None
        is_tools = not self._tool_names.isdisjoint(directory.split("/"))
        wanted = self._named_folder if is_tools else self._folder
        return wanted.fullmatch(directory) is not None


def _marked(path: str, folder: str) -> str:
    """The path with a mark before the last component of `folder`, which is above or the same."""
    at = folder.rfind("/") + 1
    return f"{path[:at]}{_MARK}{path[at:]}"


def _any(regexes: Iterable[str]) -> str:
    return f"(?:{'|'.join(regexes) or _NOTHING})"


def _parse(glob: str) -> list[Segments]:
    """The segments of each alternative of a glob, in their simplest form."""
    if reason := _fault(glob):
        raise UserError(f"cannot read the glob {glob!r}: {reason}")
    try:
        alternatives = bracex.expand(glob, keep_escapes=True, limit=_MAX_ALTERNATIVES)
    except bracex.ExpansionLimitException:
        reason = f"it stands for more than {_MAX_ALTERNATIVES} others"
        raise UserError(f"cannot read the glob {glob!r}: {reason}") from None
    return [simple for text in alternatives for simple in _simplify(glob, text)]


def _fault(glob: str) -> str | None:
    if not glob:
        return "it is empty"
    plain = re.sub(r"\\.", "", glob)
    # The first character of a set may be the bracket that else ends it.
    plain = re.sub(r"\[[!^]?(?:\][^]/]*|[^]/]+)\]", "", plain)
    if "[" in plain:
        return "a [ without its ] (write [[] for the character itself)"
    while plain != (inner := re.sub(r"\{[^{}]*\}", "", plain)):
        plain = inner
    if "{" in plain or "}" in plain:
        return "a { or } without the other (write [{] for the character itself)"
    return None


def _simplify(glob: str, text: str) -> list[Segments]:
    """The segments of one alternative, and a second time for what is inside it."""
    if text.startswith("/"):
        raise UserError(f"cannot read the glob {glob!r}: it must be relative to the directory")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if not parts:
        raise UserError(f"cannot read the glob {glob!r}: it is empty")
    if ".." in parts:
        raise UserError(f"cannot read the glob {glob!r}: it leaves the directory with ..")
    if text.endswith("/"):
        parts.append("**")
    elif not _MAGIC.search(parts[-1]):
        return [tuple(parts), (*parts, "**")]
    if parts[-1] == "*" and parts[-2:-1] == ["**"]:
        del parts[-1]
    # `**/**` is `**`, and as a regular expression much slower.
    kept = [one for one, after in pairwise([*parts, ""]) if (one, after) != ("**", "**")]
    return [tuple(kept)]


def _segment(glob: str) -> str:
    """The regular expression of one segment, freed of its anchors."""
    regex: str = wcmatch.translate(glob, flags=_FLAGS)[0][0]
    return regex.removeprefix("^").removesuffix("$")


def _one(segment: str, component: str) -> str:
    return component if segment == "*" else f"{_MARK}?{_segment(segment)}"


def _file(segments: Segments, component: str) -> str:
    """What matches a file; `component` is what `*` and each step of `**` may stand for."""
    *folders, last = segments
    path = ""
    for segment in folders:
        path += f"(?:{component}/)*" if segment == "**" else f"{_one(segment, component)}/"
    return path + (f"(?:{component}/)*{component}" if last == "**" else _one(last, component))


def _folder(segments: Segments, component: str) -> str:
    """What matches a directory that such a file can be in, at any depth."""
    first, *rest = segments
    anywhere = f"(?:{component}/)*"
    if not rest:
        return f"{anywhere}{component}" if first == "**" else _NOTHING
    below = _folder(tuple(rest), component)
    if first == "**":
        return f"{anywhere}(?:{component}|{below})"
    return f"{_one(first, component)}(?:/{below})?"


def _covered(segments: Segments) -> str:
    """What matches a directory of which such an exclude leaves out everything."""
    *folders, last = segments
    if last != "**":
        return _NOTHING
    return f"{_file(tuple(folders), _COMPONENT)}(?:/.*)?" if folders else ".*"
