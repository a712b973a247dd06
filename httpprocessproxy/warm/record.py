"""What a program loads, learnt from a cold run of it.

The first start runs the program through inside/, as a fork does, and with the same rules. (An
ordinary start tells nobody what it has loaded, and whatever would make it tell is as visible to
the program.) The import system is listened to, which costs some microseconds for each module;
each line goes to a memory file, so nothing ever waits for us to read it, and sealing the file ends
it. Processes that the program forks, such as gunicorn's workers, write to it as well.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Self

from httpprocessproxy.process.spawn import FileAction
from httpprocessproxy.warm.bootstrap import CONTROL_FD, SOURCE_FD, TO_RECORD, source, stub
from httpprocessproxy.warm.command import PythonCommand


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """What a fork server needs to know of the program; it may be kept from session to session.

    `modules`: of the standard library and of third parties, in the order of their import.
    `foreign`: the names of all others, among them the project's own. They are never preloaded,
    nor is what imports them. `paths`: what the program added to sys.path. `folders`: where the
    standard library and installed packages are; a change there is a reason for a new fork server.
    """

    modules: tuple[str, ...]
    foreign: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def __or__(self, other: "ImportRecord") -> "ImportRecord":
        """What both have loaded, one after the other."""
        return ImportRecord(
            _one_after_the_other(self.modules, other.modules),
            _one_after_the_other(self.foreign, other.foreign),
            _one_after_the_other(self.paths, other.paths),
            self.folders,
        )

    def dump(self) -> str:
        """As a text (JSON) for `load`."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Self:
        """What `dump` gave. Raises ValueError if the text is something else."""
        try:
            fields: dict[str, list[str]] = json.loads(text)
            if not all(isinstance(word, str) for words in fields.values() for word in words):
                raise ValueError("not a record: no names")
            return cls(**{name: tuple(words) for name, words in fields.items()})
        except (TypeError, AttributeError) as error:
            raise ValueError(f"not a record: {error}") from error


class Recording:
    """A cold run that is listened to: start it once, with what it says here.

    Used as a context manager around the start and the question. The program runs in a fresh
    process of its interpreter as it always does; each import also writes a line to a memory file,
    until `read` puts an end to that. Needs Linux.
    """

    def __init__(self, command: PythonCommand) -> None:
        self._command = command
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            listened_to = f"recorded({self._command.inside!a})"
            self._source_fd = stack.enter_context(source(TO_RECORD, listened_to))
            self._fd = os.memfd_create("imports", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            stack.callback(os.close, self._fd)
            fcntl.fcntl(self._fd, fcntl.F_SETFL, os.O_APPEND)
            # By this path the program writes without holding a descriptor.
            os.write(self._fd, f"at\0/proc/{os.getpid()}/fd/{self._fd}\n".encode())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def words(self) -> tuple[str, ...]:
        """The command to be executed in the place of the program's."""
        command = self._command
        # What cannot be recorded (an old Python) just runs.
        execute = f"os.execvp({command.interpreter!r}, {[*command.words]!r})"
        otherwise = f"import os; os.closerange({CONTROL_FD}, {SOURCE_FD + 1}); {execute}"
        return command.start(stub(otherwise))

    @property
    def file_actions(self) -> list[FileAction]:
        """What posix_spawn needs besides, after the actions for descriptors 0 to 2."""
        return [
            (os.POSIX_SPAWN_DUP2, self._fd, CONTROL_FD),
            (os.POSIX_SPAWN_DUP2, self._source_fd, SOURCE_FD),
        ]

    @property
    def environment(self) -> Mapping[str, str]:
        """What the shim would add that is not executed any more."""
        return self._command.environment

    @property
    def descriptors(self) -> Mapping[int, int]:
        """What a fork needs, in the place of both, to be listened to: what it loads besides."""
        return {SOURCE_FD: self._fd}

    def read(self) -> ImportRecord | None:
        """What is loaded by now, and end the recording. Once; best after the first answer.

        None if there is nothing: the program never began, or closed our descriptor.
        """
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW
        fcntl.fcntl(self._fd, fcntl.F_ADD_SEALS, seals)
        text = os.fsdecode(os.pread(self._fd, os.fstat(self._fd).st_size, 0))
        return record_of(text)


def record_of(text: str) -> ImportRecord | None:
    """Sort what was recorded, by the rule that inside/preloading.py states."""
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
