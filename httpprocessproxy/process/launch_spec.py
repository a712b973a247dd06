"""How the backend is started: its command and its environment, for the port that it has.

`{port}` in the command and PORT in the environment are that port; `{fd}` is the number of the
socket that it inherits (`--socket`), which is also passed on as systemd does it: sd_listen_fds(3).
"""

import os
from collections.abc import Mapping
from pathlib import Path

from httpprocessproxy.config import AUTO, Address
from httpprocessproxy.process.env_file import read_env_file
from httpprocessproxy.process.inherited import INHERITED_FD, InheritedSocket
from httpprocessproxy.process.ports import find_free_port

# Only the server's own process knows the pid that it has to find in LISTEN_PID before it believes
# LISTEN_FDS. The shell is that process until it becomes the server.
_TELLING_ITS_PID = ("sh", "-c", 'export LISTEN_PID=$$; exec "$@"', "sh")


class LaunchSpec:
    """The command and the environment of each start. With `AUTO`, the port is ours to choose."""

    def __init__(
        self,
        command: tuple[str, ...],
        address: Address = AUTO,
        env_file: Path | None = None,
        inherited: InheritedSocket | None = None,
    ) -> None:
        """Without an `inherited` socket, the server makes its own."""
        self.address = inherited.address if inherited is not None else address
        self.inherited = inherited
        # Variables that the server gets unless they are set, and not to nothing.
        self.defaults: dict[str, str] = {}
        self._command = command
        self._env_file = env_file
        self._chooses = address == AUTO and inherited is None
        self.move()

    def move(self) -> bool:
        """Take another free port, if the port is ours to choose, and tell whether it is.

        Raises UserError if none is free.
        """
        if self._chooses:
            self.address = Address(AUTO.host, find_free_port(AUTO.hosts))
        return self._chooses

    @property
    def words(self) -> tuple[str, ...]:
        """The command."""
        words = tuple(word.replace("{port}", str(self.address.port)) for word in self._command)
        if self.inherited is None:
            return words
        return tuple(word.replace("{fd}", str(INHERITED_FD)) for word in words)

    @property
    def needs_its_pid(self) -> bool:
        """Whether the server is to find its own pid in LISTEN_PID: it is not told `{fd}`."""
        return self.inherited is not None and not any("{fd}" in word for word in self._command)

    def executed(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """What is executed to run `words`: perhaps a shell goes before them."""
        return (*_TELLING_ITS_PID, *words) if self.needs_its_pid else words

    def environment(self) -> Mapping[str, str]:
        """Our own environment, and what the file adds to it, read anew at each call.

        PORT is ours: a file that says another would have the backend listen where nobody looks.
        Raises UserError if the file is no good.
        """
        ours = {**os.environ, "PORT": str(self.address.port)}
        if self.inherited is not None:
            ours["LISTEN_FDS"] = "1"
            ours.pop("LISTEN_PID", None)  # Where we were started so ourselves, it is ours.
        added = {} if self._env_file is None else read_env_file(self._env_file, ours)
        found = {**added, **ours}
        missing = {name: text for name, text in self.defaults.items() if not found.get(name)}
        return {**found, **missing}
