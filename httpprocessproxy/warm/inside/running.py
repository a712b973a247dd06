"""The run of the program, as if its interpreter had been executed for it.

The only difference: two frames below the program's, which its tracebacks do not show.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, TracebackType
    from typing import Protocol

    class Run(Protocol):
        def __call__(self, *arguments: object) -> object: ...

    Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]
    # The file or else the module, sys.argv[1:], and sys.orig_argv.
    Command = tuple[str, str, list[str], list[str]]

# The same numbers as in bootstrap.py.
CONTROL_FD, SOURCE_FD = 250, 251

at_start = frozenset(sys.modules)
external = sys.modules["_frozen_importlib_external"]
os.close(SOURCE_FD)


def is_package_path(file: str) -> bool:
    """Whether FILE of `python FILE` is a folder or a ZIP file with a __main__."""
    for hook in sys.path_hooks:
        try:
            hook(file)
            return True
        except ImportError:
            pass
    return False


def first_path(command: Command) -> str | None:
    """The first entry of sys.path; None if it is left out (-I, -P)."""
    file, module, _, _ = command
    if file and is_package_path(file):
        return os.path.abspath(file) if sys.version_info >= (3, 9) else file
    if sys.flags.isolated or getattr(sys.flags, "safe_path", False):
        return None
    return os.getcwd() if module else os.path.dirname(os.path.realpath(file))


def set_path(command: Command) -> None:
    """Replace the empty entry of `python -c` by that of the command."""
    if sys.path[:1] == [""]:
        del sys.path[0]
    first = first_path(command)
    if first is not None:
        sys.path.insert(0, first)


def set_arguments(command: Command) -> None:
    file, _, arguments, words = command
    sys.argv = [file or "-m", *arguments]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv = words


def program(command: Command) -> tuple[Run, tuple[object, ...]]:
    """The function and arguments that run the command. Raises what running it would."""
    file, module, _, _ = command
    if file and not is_package_path(file):
        code = compiled(file)
        return exec, (code, sys.modules["__main__"].__dict__)  # type: ignore[return-value]
    import runpy

    # `python` itself calls this.
    return vars(runpy)["_run_module_as_main"], (module, True) if module else ("__main__", False)


def compiled(file: str) -> CodeType:
    """Compile the file, and set its attributes in __main__."""
    # Since 3.9 the name is absolute, so that os.chdir does not break it.
    name = os.path.abspath(file) if sys.version_info >= (3, 9) else file
    try:
        with open(file, "rb") as opened:
            source = opened.read()
    except OSError as error:
        why = f"can't open file {name!r}: [Errno {error.errno}] {error.strerror}"
        sys.stderr.write(f"{sys.executable}: {why}\n")
        sys.exit(2)
    main = sys.modules["__main__"].__dict__
    main.update(__file__=name, __cached__=None)
    main["__loader__"] = external.SourceFileLoader("__main__", name)
    return compile(source, name, "exec", dont_inherit=True)


class Trimmed:
    """A sys.excepthook that hides our own frames."""

    def __init__(self, hook: Hook) -> None:
        self.hook = hook

    def __call__(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> object:
        sys.excepthook = self.hook
        trace = trace and trace.tb_next  # skip the frame of `python -c`
        while trace and trace.tb_frame.f_globals is globals():
            trace = trace.tb_next
        sys.last_traceback = error.__traceback__ = trace
        return self.hook(kind, error, trace)
