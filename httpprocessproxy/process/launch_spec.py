"""The launch specification: the backend's command and environment for its present port.

`{port}` in the command and PORT in the environment are that port; `{fd}` is the descriptor of the
socket that it inherits (`--socket`), also announced by LISTEN_FDS and LISTEN_PID as systemd does:
sd_listen_fds(3). Other placeholders: core/placeholders.py.
"""

import copy
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from httpprocessproxy.config import AUTO, NOWHERE, Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.placeholders import replaced
from httpprocessproxy.process.env_file import read_env_file
from httpprocessproxy.process.inherited import INHERITED_FD, InheritedSocket
from httpprocessproxy.process.reserved_port import ReservedPort

# A server trusts LISTEN_FDS only if LISTEN_PID is its own pid, which is known only in its process.
# The shell sets the variable in that process, and then becomes the server by `exec`.
_SET_LISTEN_PID: Final = "export LISTEN_PID=$$"
# posix_spawn(3) cannot change the directory everywhere.
_ENTER_FOLDER: Final = 'cd "$0"'
_BECOME: Final = 'exec "$@"'


@dataclass(frozen=True, slots=True)
class LaunchContext:
    """The place of a service among others.

    folder     its working directory, absolute; None for that of the proxy
    variables  added to its environment, and win over all others
    values     the present values of placeholders besides `{port}`
    """

    folder: Path | None = None
    variables: tuple[tuple[str, str], ...] = ()
    values: Callable[[], Mapping[str, str]] = dict


class LaunchSpec:
    """The command and the environment of each start. With `AUTO`, the proxy chooses the port."""

    def __init__(
        self,
        command: tuple[str, ...],
        address: Address = AUTO,
        env_file: Path | None = None,
        inherited: InheritedSocket | None = None,
        context: LaunchContext = LaunchContext(),
    ) -> None:
        """Without an `inherited` socket, the server opens its own."""
        self.context = context
        self._reserved: ReservedPort | None = None
        self.address = inherited.address if inherited is not None else address
        self.inherited = inherited
        self.has_input = True  # the standard input of the proxy, or a terminal
        # Variables that the server gets unless they are set to a non-empty value.
        self.defaults: dict[str, str] = {}
        self.command = command  # its placeholders are not replaced
        self._env_file = env_file
        self._chooses = address == AUTO and inherited is None
        self.move()

    def for_command(self, command: tuple[str, ...]) -> "LaunchSpec":
        """The specification of another command in the same environment, now.

        The command inherits no socket, and its standard input is empty.
        """
        other = copy.copy(self)
        other.defaults = dict(self.defaults)
        other.inherited = None
        other.has_input = False
        other.command, other._chooses = command, False
        return other

    def move(self) -> bool:
        """Choose another free port if the address is `AUTO`; return whether it is.

        Raises UserError if no free port is found.
        """
        if self._chooses:
            self._reserved = ReservedPort(AUTO.hosts)
            self.address = Address(AUTO.host, self._reserved.number)
        return self._chooses

    @property
    def folder(self) -> Path:
        """The working directory of the service."""
        return self.context.folder or Path.cwd()

    def filled(self, texts: Iterable[str]) -> tuple[str, ...]:
        """The texts, with placeholders replaced by their present values."""
        values = {**self.context.values()}
        if self.address != NOWHERE:
            values["port"] = str(self.address.port)
        return tuple(replaced(text, values) for text in texts)

    @property
    def words(self) -> tuple[str, ...]:
        """The command, with placeholders and {fd} replaced."""
        words = self.filled(self.command)
        if self.inherited is None:
            return words
        return tuple(word.replace("{fd}", str(INHERITED_FD)) for word in words)

    @property
    def needs_its_pid(self) -> bool:
        """Whether LISTEN_PID has to be the server's pid: its command has no `{fd}`."""
        return self.inherited is not None and not any("{fd}" in word for word in self.command)

    def executed(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The command to execute for `words`: behind a shell in another folder, if LISTEN_PID has
        to be set, and if a variable for the service alone says where commands are.
        """
        if self.needs_its_pid:
            words = ("sh", "-c", f"{_SET_LISTEN_PID}; {_BECOME}", "sh", *words)
        elif self.context.folder is None and self._has_own_path:
            words = ("sh", "-c", _BECOME, "sh", *words)
        return in_folder(words, self.context.folder)

    def check_folder(self) -> None:
        """Raise UserError if the working directory is missing: a shell would say it less well."""
        folder = self.context.folder
        if folder is not None and not folder.is_dir():
            raise UserError(f"there is no folder {os.path.relpath(folder)!r}")

    @property
    def _has_own_path(self) -> bool:
        return any(name == "PATH" for name, _ in self.context.variables)

    def environment(self) -> Mapping[str, str]:
        """The proxy's environment with the variables of the file, which each call reads again.

        PORT is set by the proxy: with a file's value the backend would listen on another port.
        Raises UserError if the file cannot be read or parsed.
        """
        ours = dict(os.environ)
        if self.address != NOWHERE:
            ours["PORT"] = str(self.address.port)
        if self.inherited is not None:
            ours["LISTEN_FDS"] = "1"
            ours.pop("LISTEN_PID", None)  # Socket activation of the proxy itself sets it.
        added = {} if self._env_file is None else read_env_file(self._env_file, ours)
        names = [name for name, _ in self.context.variables]
        texts = self.filled(text for _, text in self.context.variables)
        found = {**added, **ours, **dict(zip(names, texts, strict=True))}
        missing = {name: text for name, text in self.defaults.items() if not found.get(name)}
        return {**found, **missing}


def in_folder(words: tuple[str, ...], folder: Path | None) -> tuple[str, ...]:
    """The command to execute for `words` in `folder`, an absolute path; None for our own."""
    if folder is None:
        return words
    return ("sh", "-c", f"{_ENTER_FOLDER} && {_BECOME}", str(folder), *words)
