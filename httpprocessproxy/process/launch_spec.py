"""The launch specification: the backend's command and environment for its present port.

`{port}` in the command and PORT in the environment are that port; `{fd}` is the descriptor of the
socket that it inherits (`--socket`), also announced by LISTEN_FDS and LISTEN_PID as systemd does:
sd_listen_fds(3).
"""

import copy
import os
from collections.abc import Mapping
from pathlib import Path

from httpprocessproxy.config import AUTO, Address
from httpprocessproxy.process.env_file import read_env_file
from httpprocessproxy.process.inherited import INHERITED_FD, InheritedSocket
from httpprocessproxy.process.ports import find_free_port

# A server trusts LISTEN_FDS only if LISTEN_PID is its own pid, which is known only in its process.
# The shell sets the variable in that process, and then becomes the server by `exec`.
_SET_LISTEN_PID = ("sh", "-c", 'export LISTEN_PID=$$; exec "$@"', "sh")


class LaunchSpec:
    """The command and the environment of each start. With `AUTO`, the proxy chooses the port."""

    def __init__(
        self,
        command: tuple[str, ...],
        address: Address = AUTO,
        env_file: Path | None = None,
        inherited: InheritedSocket | None = None,
    ) -> None:
        """Without an `inherited` socket, the server opens its own."""
        self.address = inherited.address if inherited is not None else address
        self.inherited = inherited
        self.has_input = True  # the standard input of the proxy, or a terminal
        # Variables that the server gets unless they are set to a non-empty value.
        self.defaults: dict[str, str] = {}
        self._command = command
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
        other._command, other._chooses = command, False
        return other

    def move(self) -> bool:
        """Choose another free port if the address is `AUTO`; return whether it is.

        Raises UserError if no free port is found.
        """
        if self._chooses:
            self.address = Address(AUTO.host, find_free_port(AUTO.hosts))
        return self._chooses

    @property
    def words(self) -> tuple[str, ...]:
        """The command, with {port} and {fd} replaced."""
        words = tuple(word.replace("{port}", str(self.address.port)) for word in self._command)
        if self.inherited is None:
            return words
        return tuple(word.replace("{fd}", str(INHERITED_FD)) for word in words)

    @property
    def needs_its_pid(self) -> bool:
        """Whether LISTEN_PID has to be the server's pid: its command has no `{fd}`."""
        return self.inherited is not None and not any("{fd}" in word for word in self._command)

    def executed(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The command to execute for `words`: behind a shell if LISTEN_PID has to be set."""
        return (*_SET_LISTEN_PID, *words) if self.needs_its_pid else words

    def environment(self) -> Mapping[str, str]:
        """The proxy's environment with the variables of the file, which each call reads again.

        PORT is set by the proxy: with a file's value the backend would listen on another port.
        Raises UserError if the file cannot be read or parsed.
        """
        ours = {**os.environ, "PORT": str(self.address.port)}
        if self.inherited is not None:
            ours["LISTEN_FDS"] = "1"
            ours.pop("LISTEN_PID", None)  # Socket activation of the proxy itself sets it.
        added = {} if self._env_file is None else read_env_file(self._env_file, ours)
        found = {**added, **ours}
        missing = {name: text for name, text in self.defaults.items() if not found.get(name)}
        return {**found, **missing}
