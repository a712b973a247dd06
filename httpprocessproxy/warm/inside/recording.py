"""The import hook, and the record of each loaded module."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from httpprocessproxy.warm.inside.running import (
        CONTROL_FD,
        Command,
        set_arguments,
        set_path,
    )

# Tracebacks and warnings leave out frames with this file name.
IMPORT_SYSTEM = "<frozen importlib._bootstrap>"

import_system = vars(sys.modules["_frozen_importlib"])


def listen_to_imports(
    before: Callable[[str], int],
    after: Callable[[str, int], None],
    failed: Callable[[str, int], None] = lambda name, began: None,
) -> Callable[[], None]:
    """Call `before` at each import of a new module, then `after` or `failed` with its result.

    Returns a function that removes the hook.
    """
    original = import_system["_find_and_load"]

    def _find_and_load(name: str, import_: object) -> object:
        began = before(name)
        try:
            module: object = original(name, import_)
        except BaseException:
            failed(name, began)
            raise
        after(name, began)
        return module

    def end() -> None:
        import_system["_find_and_load"] = original

    _find_and_load.__code__ = _find_and_load.__code__.replace(co_filename=IMPORT_SYSTEM)
    import_system["_find_and_load"] = _find_and_load
    return end


def origin_of(name: str) -> str | None:
    """The file of a loaded module, "" without a file; None if the name is an alias."""
    try:
        spec = sys.modules[name].__spec__
        return (spec.origin or "") if spec is not None and spec.name == name else None
    except (AttributeError, KeyError):
        return None


def package_folders() -> list[str]:
    """The folders of the standard library and of installed packages."""
    folders = [os.path.dirname(os.__file__)]
    folders += [os.path.dirname(path) for path in sys.path if path.endswith("/lib-dynload")]
    site = sys.modules.get("site")
    if site is not None:
        folders += site.getsitepackages()
        if site.ENABLE_USER_SITE:
            folders.append(site.getusersitepackages())
    return list(dict.fromkeys(os.path.realpath(folder) for folder in folders))


def recorded(command: Command) -> Command:
    """Begin to record the imports of the command, and return it."""
    set_path(command)
    set_arguments(command)
    record(CONTROL_FD)
    return command


def record(fd: int) -> None:
    """Write a line for each import to the file of fd, until that is sealed or replaced.

    Its first line is its own path: it is opened for each line, so that the program has no extra
    descriptor. If it cannot be opened, fd stays open.
    """
    os.set_inheritable(fd, False)
    ours = os.fstat(fd)
    path = os.fsdecode(os.pread(fd, 100, 0).split(b"\n")[0]).partition("\0")[2]
    try:
        opened = os.open(path, os.O_WRONLY | os.O_APPEND)
        is_same = os.path.samestat(ours, os.fstat(opened))
        os.close(opened)
    except OSError:
        is_same = False
    if is_same:
        os.close(fd)
    else:
        path = ""
    count = 0
    known_path = list(sys.path)

    def write(*fields: str) -> None:
        opened = -1
        try:
            if path:
                opened = os.open(path, os.O_WRONLY | os.O_APPEND)
            target = opened if path else fd
            if os.path.samestat(ours, os.fstat(target)):
                os.write(target, os.fsencode("\0".join(fields) + "\n"))
            else:
                end()
        except OSError:
            end()
        if opened >= 0:
            os.close(opened)

    def before(_: str) -> int:
        nonlocal count
        count += 1
        return count

    def after(name: str, began: int) -> None:
        nonlocal known_path
        origin = origin_of(name)
        if origin is not None:
            write("module", str(began), name, origin)
        if sys.path != known_path:
            added = [str(entry) for entry in sys.path if entry not in known_path]
            known_path = list(sys.path)
            write("path", *added)

    end = listen_to_imports(before, after)
    write("folders", *package_folders())
