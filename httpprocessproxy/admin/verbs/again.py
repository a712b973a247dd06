"""A second `hpp up` in a folder: the URL of the project that runs there."""

from contextlib import suppress
from pathlib import Path
from typing import Final

from httpprocessproxy.system.registry import ProxyRegistry, RunningProxy

# The names of files that may configure a project.
_FILES: Final = ("http-process-proxy.toml", "pyproject.toml")


def project_here() -> RunningProxy | None:
    """The running project whose file `hpp up` would read here, without reading it.

    None if that is not certain: a folder between here and there may have a project of its own.
    """
    with suppress(OSError):
        entry = ProxyRegistry.open().around(Path.cwd())
        if entry is None or not (entry.is_project and entry.answers):
            return None
        here, top = Path.cwd().resolve(), Path(entry.folder)
        between = [folder for folder in (here, *here.parents) if folder.is_relative_to(top)]
        with_file = [folder for folder in between if any((folder / f).exists() for f in _FILES)]
        return entry if with_file == [top] else None
    return None


def runs_already(entry: RunningProxy) -> str:
    """The line for a project that runs already, and its end."""
    return f"runs already: {entry.url}\n"
