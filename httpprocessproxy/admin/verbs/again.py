"""A second `hpp up` in a folder: the URL of the project that runs there."""

from contextlib import suppress
from pathlib import Path
from typing import Final

from httpprocessproxy.system.registry import ProxyRegistry, RunningProxy

# The names of files that may configure a project.
_FILES: Final = ("http-process-proxy.toml", "pyproject.toml")

_START_TIMEOUT_S: Final = 60.0


def project_here() -> RunningProxy | None:
    """The running project whose file `hpp up` would read here, without reading it.

    One that starts is waited for. None if that is not certain: a folder between here and there may
    have a project of its own.
    """
    with suppress(OSError):
        registry, here = ProxyRegistry.open(), Path.cwd().resolve()
        entry = registry.around(here)
        if entry is None or not entry.is_project:
            return None
        folders = (folder for folder in (here, *here.parents) if _may_have_project(folder))
        if next(folders, None) != Path(entry.folder):
            return None
        present = registry.started(entry, _START_TIMEOUT_S)
        return present if present is not None and present.answers else None
    return None


def runs_already(entry: RunningProxy) -> str:
    """The line for a project that runs already, and its end."""
    return f"runs already: {entry.url}\n"


def _may_have_project(folder: Path) -> bool:
    return any((folder / name).exists() for name in _FILES)
