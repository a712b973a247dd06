"""No proxy: the load goes to the backend."""

from typing import ClassVar

from test.benchmark.peers.peer import Place
from test.benchmark.samples import DIRECT


class Direct:
    name: ClassVar[str] = DIRECT
    starts_backend: ClassVar[bool] = False

    def command(self, place: Place) -> tuple[str, ...]:
        return ()
