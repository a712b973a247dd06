"""What a program loads, learnt from a cold run of it."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from httpprocessproxy.process.spawn import FileAction
from httpprocessproxy.process.warm.command import PythonCommand


@dataclass(frozen=True, slots=True)
class Record:
    """What a fork server needs to know of the program; it may be kept from session to session.

    `modules`: of the standard library and of third parties, in the order of their import.
    `foreign`: the names of all others, among them the project's own. They are never preloaded,
    nor is what imports them. `paths`: what the program added to sys.path. `folders`: where the
    standard library and installed packages are; a change there is a reason for a new fork server.
    """

    modules: tuple[str, ...]
    foreign: frozenset[str] = frozenset()
    paths: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def dump(self) -> str:
        """As a text (JSON) for `load`."""
        raise NotImplementedError

    @classmethod
    def load(cls, text: str) -> Self:
        """What `dump` gave. Raises ValueError if the text is something else."""
        raise NotImplementedError


class Recording:
    """A cold run that is listened to: start it once, with `words` and `file_actions`.

    Used as a context manager around the start and the question. The program runs in a fresh
    process of its interpreter as it always does; each import also writes a line to a memory file,
    until `read` puts an end to that. Needs Linux.
    """

    def __init__(self, command: PythonCommand) -> None: ...

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        raise NotImplementedError

    @property
    def words(self) -> tuple[str, ...]:
        """The command to be executed in the place of the program's."""
        raise NotImplementedError

    @property
    def file_actions(self) -> list[FileAction]:
        """What posix_spawn needs besides, after the actions for descriptors 0 to 2."""
        raise NotImplementedError

    def read(self) -> Record | None:
        """What is loaded by now, and end the recording. Once; best after the first answer.

        None if there is nothing: the program never began, or closed our descriptor.
        """
        raise NotImplementedError
