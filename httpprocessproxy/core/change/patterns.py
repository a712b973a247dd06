"""Glob patterns: the user's patterns and excludes, and the default excludes.

A file matches if it matches any pattern and no exclude. By default `*` and `**` do not match the
names of tools' files and folders (version control, caches, virtual environments, databases); any
other segment does: `**/*.py` does not match `.venv/lib/x.py`, but `.venv/**/*.py` does, and
`**/__pycache__/*.pyc` matches bytecode. Callers pass tools' folders with other names as `by_tool`.
Editors' temporary files come and go beside every save: no pattern matches them.

A glob is `/`-separated segments, relative to the working directory, with `**`, `*`, `?`, `[]` and
`{a,b}`; `*` matches dotfiles too. A glob that ends in a plain name, as `src` or `src/`, also
matches all files inside a directory of that name. No I/O.

bracex reads `{a,b}`, wcmatch `[]` and escapes. They are imported for a glob that has these: few
have, and each start would take 15 ms more.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from httpprocessproxy.core.errors import UserError

# Reported instead of a path when a watcher lost events: any file may have changed.
ANYTHING: Final = "**"

# Written by tools while they work, and by the backend: caches, bytecode, databases.
TOOL_NAMES: Final = (
    *(".git", ".hg", ".svn", ".jj", ".idea"),
    *("__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"),
    *(".venv", "venv", ".tox", ".nox", ".direnv", "node_modules"),
)
TOOL_FILES: Final = (
    *("*.pyc", "*.pyo", ".DS_Store"),
    *("*.sqlite", "*.sqlite3", "*.sqlite-*", "*.sqlite3-*", "*.db", "*.db3"),
    *("*-journal", "*-wal", "*-shm"),  # SQLite's, beside a database of any name
    *("*.duckdb", "*.duckdb.wal", "dump.rdb"),
)

# Temporary files beside the edited one, by the editor that writes them.
EDITOR_FILES: Final = (
    *("*~", ".*.sw?", ".*.sw?x", "4913"),  # vim; 4913 tests whether a directory is writable
    *(".#*", "#*#", "flycheck_*", ".flycheck_*"),  # Emacs
    *("*___jb_*", ".subl*.tmp", ".goutputstream-*", "*.kate-swp", "*.vsctmp", ".~lock.*#"),
    ".tmp??????",  # Rust's tempfile: Zed, Helix
    ".nfs????????*",  # NFS: a file that was removed while open
)

_NOTHING: Final = "(?!)"
# Marks a component as a tool's: paths cannot contain it.
_MARK: Final = "\0"
_COMPONENT: Final = "[^/]+"
_MAGIC: Final = re.compile(r"[*?\[]")
_WILDCARDS: Final = {"*": "[^/]*", "?": "[^/]"}
_WILDCARD: Final = re.compile(r"(\*+|\?)")
_MAX_ALTERNATIVES: Final = 1000

Segments = tuple[str, ...]


class Patterns:
    """Matches paths, `/`-separated and relative to the working directory.

    Raises UserError for an invalid glob. Without `default_excludes` only `excludes` are left out.
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
        """Whether the file at `path` matches; `by_tool` is a tool's folder that holds it, or ""."""
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
        """Whether a file anywhere below `directory` can match; "" is the working directory.

        `by_tool` is a tool's folder: `directory` itself or one that holds it.
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
    """The path, with a mark before the last component of `folder`, which holds it or equals it."""
    at = folder.rfind("/") + 1
    return f"{path[:at]}{_MARK}{path[at:]}"


def _any(regexes: Iterable[str]) -> str:
    return f"(?:{'|'.join(regexes) or _NOTHING})"


def _parse(glob: str) -> list[Segments]:
    """The segments of each alternative of a glob, in their simplest form."""
    if reason := _fault(glob):
        raise UserError(f"cannot read the glob {glob!r}: {reason}")
    return [simple for text in _alternatives(glob) for simple in _simplify(glob, text)]


def _alternatives(glob: str) -> list[str]:
    """Expand the braces of a glob."""
    if "{" not in glob:
        return [glob]
    import bracex

    try:
        return bracex.expand(glob, keep_escapes=True, limit=_MAX_ALTERNATIVES)
    except bracex.ExpansionLimitException:
        reason = f"it stands for more than {_MAX_ALTERNATIVES} others"
        raise UserError(f"cannot read the glob {glob!r}: {reason}") from None


def _fault(glob: str) -> str | None:
    if not glob:
        return "it is empty"
    plain = re.sub(r"\\.", "", glob)
    # A closing bracket as the first character of a set does not end it.
    plain = re.sub(r"\[[!^]?(?:\][^]/]*|[^]/]+)\]", "", plain)
    if "[" in plain:
        return "a [ without its ] (write [[] for the character itself)"
    while plain != (inner := re.sub(r"\{[^{}]*\}", "", plain)):
        plain = inner
    if "{" in plain or "}" in plain:
        return "a { or } without the other (write [{] for the character itself)"
    return None


def _simplify(glob: str, text: str) -> list[Segments]:
    """The segments of one alternative, and those for files inside a directory of that name."""
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
    # `**/**` equals `**`, and is much slower as a regular expression.
    joined = [one for one, after in pairwise([*parts, ""]) if (one, after) != ("**", "**")]
    return [tuple(joined)]


def _segment(glob: str) -> str:
    """The regular expression of one segment, without anchors."""
    if "[" not in glob and "\\" not in glob:
        # Neither wildcard matches nothing as a whole name, nor a slash.
        parts = (_WILDCARDS.get(part[:1], re.escape(part)) for part in _WILDCARD.split(glob))
        return f"(?s:(?=[^/]){''.join(parts)})"
    from wcmatch import glob as wcmatch

    flags = wcmatch.GLOBSTAR | wcmatch.DOTGLOB | wcmatch.FORCEUNIX
    regex: str = wcmatch.translate(glob, flags=flags)[0][0]
    return regex.removeprefix("^").removesuffix("$")


def _one(segment: str, component: str) -> str:
    return component if segment == "*" else f"{_MARK}?{_segment(segment)}"


def _file(segments: Segments, component: str) -> str:
    """The expression for a file; `*` and each step of `**` match the expression `component`."""
    *folders, last = segments
    path = ""
    for segment in folders:
        path += f"(?:{component}/)*" if segment == "**" else f"{_one(segment, component)}/"
    return path + (f"(?:{component}/)*{component}" if last == "**" else _one(last, component))


def _folder(segments: Segments, component: str) -> str:
    """The expression for a directory that can contain such a file, at any depth."""
    first, *rest = segments
    anywhere = f"(?:{component}/)*"
    if not rest:
        return f"{anywhere}{component}" if first == "**" else _NOTHING
    below = _folder(tuple(rest), component)
    if first == "**":
        return f"{anywhere}(?:{component}|{below})"
    return f"{_one(first, component)}(?:/{below})?"


def _covered(segments: Segments) -> str:
    """The expression for a directory whose files are all excluded by this glob."""
    *folders, last = segments
    if last != "**":
        return _NOTHING
    return f"{_file(tuple(folders), _COMPONENT)}(?:/.*)?" if folders else ".*"


def literal(path: str) -> str:
    """The glob that matches this path alone."""
    from wcmatch.glob import escape

    return escape(path)


def is_within(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies anywhere below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
