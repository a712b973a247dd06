"""How the backend is started: its command and its environment, for the port that it has.

`{port}` in the command, and nothing else in braces, and PORT in the environment are that port.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from httpprocessproxy.config import AUTO, Address
from httpprocessproxy.process.env_file import read_env_file
from httpprocessproxy.process.ports import find_free_port


class Recipe:
    """The command and the environment of each start. With `AUTO`, the port is ours to choose."""

    def __init__(
        self, command: tuple[str, ...], address: Address = AUTO, env_file: Path | None = None
    ) -> None:
        self.address = address
        self._command = command
        self._env_file = env_file
        self._chooses = address == AUTO
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
        return tuple(word.replace("{port}", str(self.address.port)) for word in self._command)

    def environment(self) -> Mapping[str, str]:
        """Our own environment, and what the file adds to it, read anew at each call.

        PORT is ours: a file that says another would have the backend listen where nobody looks.
        Raises UserError if the file is no good.
        """
        inherited = {**os.environ, "PORT": str(self.address.port)}
        if self._env_file is None:
            return inherited
        return {**read_env_file(self._env_file, inherited), **inherited}
