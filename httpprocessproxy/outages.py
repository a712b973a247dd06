"""The 503s of a server that does not answer: because it starts, is late, or has ended."""

import shlex
from typing import Final

from httpprocessproxy.chronicle import Chronicle
from httpprocessproxy.core.pages import Problem
from httpprocessproxy.core.state import Machine
from httpprocessproxy.process import Launcher, Output

# A client that was told to come back may do so soon: waiting costs it and us next to nothing.
RETRY_AFTER_S: Final = 1


class Outages:
    """Each says what the state is at the time of the call."""

    def __init__(
        self, launcher: Launcher, output: Output, machine: Machine, chronicle: Chronicle
    ) -> None:
        self._launcher = launcher
        self._output = output
        self._machine = machine
        self._chronicle = chronicle

    def ended(self) -> Problem:
        command = shlex.join(self._launcher.recipe.words)
        return self._problem(
            "The server has ended",
            f"`{command}`: {self._chronicle.outcome.reason}. It starts again when a file changes.",
            public_detail="It starts again when a file changes.",
        )

    def overdue(self) -> Problem:
        recipe = self._launcher.recipe
        return self._problem(
            "The server does not answer yet",
            f"`{shlex.join(recipe.words)}` does not answer at {recipe.address} yet. If it is meant "
            "to answer elsewhere, mend BACKEND or the command; else try again in a moment.",
            public_detail="Try again in a moment.",
        )

    def starting(self) -> Problem:
        # Without the output, which the page asks for itself: not every client gets it.
        return self._problem(
            "The server is starting",
            "What you have asked for takes the place of this page as soon as it answers.",
            is_live=True,
        )

    def _problem(
        self, title: str, detail: str, *, is_live: bool = False, public_detail: str = ""
    ) -> Problem:
        return Problem(
            503,
            title,
            detail,
            output=b"" if is_live else self._output.tail,
            is_live=is_live,
            public_detail=public_detail,
            retry_after_s=RETRY_AFTER_S,
            state=self._machine.state.value,
            generation=self._machine.generation,
        )
