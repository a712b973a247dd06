"""The record of the modules that a program imports, made during a cold run.

The first start runs the program through inside/, as a fork does, by the same rules. (An ordinary
start does not report its imports, and any means to make it report them is as visible to the
program.) A hook in the import system costs some microseconds for each module; each line goes to a
memory file, so the program never waits for a reader, and sealing the file ends the recording.
Processes that the program forks, such as gunicorn's workers, write to it as well.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Self

from httpprocessproxy.process.spawn import FileAction
from httpprocessproxy.warm.bootstrap import CONTROL_FD, SOURCE_FD, TO_RECORD, source, stub
from httpprocessproxy.warm.command import PythonCommand


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """The imports of a program, for a fork server; it may be cached from session to session.

    `modules`: modules of the standard library and of installed packages, in the order of import.
    `foreign`: all other modules, including the project's own. They are never preloaded, nor are
    modules that import them. `paths`: the entries that the program added to sys.path. `folders`:
    the folders of the standard library and of installed packages; after a change there, a new
    fork server is needed.
    """

    modules: tuple[str, ...]
    foreign: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def __or__(self, other: "ImportRecord") -> "ImportRecord":
        """The modules of both, in the order of import, and the folders of the first."""
        return ImportRecord(
            _one_after_the_other(self.modules, other.modules),
            _one_after_the_other(self.foreign, other.foreign),
            _one_after_the_other(self.paths, other.paths),
            self.folders,
        )

    def dump(self) -> str:
        """The record as JSON, for `load`."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Self:
        """Parse the result of `dump`. Raises ValueError if the text is something else."""
        try:
            fields: dict[str, list[str]] = json.loads(text)
            if not all(isinstance(word, str) for words in fields.values() for word in words):
                raise ValueError("not a record: no names")
            return cls(**{name: tuple(words) for name, words in fields.items()})
        except (TypeError, AttributeError) as error:
            raise ValueError(f"not a record: {error}") from error


class Recording:
    """A recorded cold run: start the program once, with the attributes of this object.

    A context manager around the start and `read`. The program runs in a fresh process of its
    interpreter as always; each import also writes a line to a memory file, until `read` ends the
    recording. Needs Linux.
    """

    def __init__(self, command: PythonCommand) -> None:
        self._command = command
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            expression = f"recorded({self._command.inside!a})"
            self._source_fd = stack.enter_context(source(TO_RECORD, expression))
            self._fd = os.memfd_create("imports", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            stack.callback(os.close, self._fd)
            fcntl.fcntl(self._fd, fcntl.F_SETFL, os.O_APPEND)
            # The program opens this path for each line, so that it needs no open descriptor.
            os.write(self._fd, f"at\0/proc/{os.getpid()}/fd/{self._fd}\n".encode())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def words(self) -> tuple[str, ...]:
        """The command to execute instead of the program's."""
        command = self._command
        # An interpreter that cannot record (an old Python) just runs the program.
        execute = f"os.execvp({command.interpreter!r}, {[*command.words]!r})"
        otherwise = f"import os; os.closerange({CONTROL_FD}, {SOURCE_FD + 1}); {execute}"
        return command.start(stub(otherwise))

    @property
    def file_actions(self) -> list[FileAction]:
        """The file actions for posix_spawn, to be added after those for descriptors 0 to 2."""
        return [
            (os.POSIX_SPAWN_DUP2, self._fd, CONTROL_FD),
            (os.POSIX_SPAWN_DUP2, self._source_fd, SOURCE_FD),
        ]

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that a pyenv shim would set, which is not executed any more."""
        return self._command.environment

    @property
    def descriptors(self) -> Mapping[int, int]:
        """The descriptors to pass to `ForkServer.fork`, to record what a warm start imports."""
        return {SOURCE_FD: self._fd}

    def read(self) -> ImportRecord | None:
        """End the recording, and return the modules loaded so far. Call it once.

        It is best called after the first response. None if nothing was recorded: the program never
        began, or closed our descriptor.
        """
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW
        fcntl.fcntl(self._fd, fcntl.F_ADD_SEALS, seals)
        text = os.fsdecode(os.pread(self._fd, os.fstat(self._fd).st_size, 0))
        return record_of(text)


def record_of(text: str) -> ImportRecord | None:
    """Parse the recorded lines, and sort the modules by the rule of inside/preloading.py."""
    lines = [line.split("\0") for line in text.splitlines()]
    folders = tuple(next((line[1:] for line in lines if line[0] == "folders"), ()))
    if not folders:
        return None
    modules: list[str] = []
    foreign: list[str] = []
    for _, name, origin in sorted(_modules(lines)):
        installed = not origin.startswith("/") or _is_below(origin, folders)
        (modules if installed else foreign).append(name)
    added = [path for line in lines if line[0] == "path" for path in line[1:]]
    paths = tuple(p for p in dict.fromkeys(added) if not _is_below(f"{p}/", folders))
    return ImportRecord(
        tuple(dict.fromkeys(modules)), tuple(dict.fromkeys(foreign)), paths, folders
    )


def _modules(lines: list[list[str]]) -> Iterator[tuple[int, str, str]]:
    for kind, *fields in lines:
        if kind == "module":
            number, name, origin = fields
            yield int(number), name, origin


def _one_after_the_other(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    real = os.path.realpath(path) + ("/" if path.endswith("/") else "")
    return real.startswith(tuple(f"{folder}/" for folder in folders))
