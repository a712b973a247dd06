"""The 503 responses while the server starts, is late to answer, or has exited."""

import shlex
from collections.abc import Callable
from typing import Final

from httpprocessproxy.core.build import Build
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.process import Launcher
from httpprocessproxy.service.history import History
from httpprocessproxy.service.member import Member

# Retry-After: short, as a client waits in the gate at almost no cost.
RETRY_AFTER_S: Final = 1


class Outages:
    """Implements `gate.Problems`; each problem has the state at the time of the call."""

    def __init__(self, launcher: Launcher, history: History, member: Member) -> None:
        self._launcher = launcher
        self._history = history
        self._member = member
        self.build: Callable[[], Build | None] = lambda: None  # the last one of --before

    def refusal(self) -> Problem:
        """The response while requests are refused: the service or one that it needs is the cause.

        Called only while one of them has failed or is stopped.
        """
        cause = self._member.cause()
        if cause is self._member:
            return self.ended() if cause.pause is None else self.stopped()
        return self._problem(
            f"{self._member.title} needs {cause.name}",
            f"{cause.name} {cause.why_not()}.",
            public_detail="Try again in a moment.",
        )

    def stopped(self) -> Problem:
        return self._problem(
            f"{self._member.title} is stopped",
            f"{self._member.name} {self._member.why_not()}.",
            public_detail="Try again later.",
        )

    def ended(self) -> Problem:
        build = self.build()
        if build is not None and build.failure and build.failure == self._history.outcome.reason:
            return self._problem(
                "The build has failed",
                f"`{build.command}` {build.reason}. It runs again when a file changes.",
                public_detail="It runs again when a file changes.",
            )
        command = shlex.join(self._launcher.launch_spec.words)
        return self._problem(
            f"{self._member.title} has ended",
            f"`{command}`: {self._history.outcome.reason}. It starts again when a file changes.",
            public_detail="It starts again when a file changes.",
        )

    def overdue(self) -> Problem:
        if waits_for := self._member.waits_for():
            return self._problem(
                f"{self._member.title} waits for {', '.join(waits_for)}",
                "It answers once all of them run.",
                public_detail="Try again in a moment.",
            )
        if (build := self.build()) is not None and build.is_running:
            return self._problem(
                "The build still runs",
                f"`{build.command}` has to succeed first. Try again in a moment.",
                public_detail="Try again in a moment.",
            )
        launch_spec = self._launcher.launch_spec
        return self._problem(
            f"{self._member.title} does not answer yet",
            f"`{shlex.join(launch_spec.words)}` does not answer at {launch_spec.address} yet. "
            "If it is meant to answer elsewhere, mend BACKEND or the command; else try again in a "
            "moment.",
            public_detail="Try again in a moment.",
        )

    def starting(self) -> Problem:
        cause, title = self._member.cause(), f"{self._member.title} is starting"
        if cause is not self._member:
            title = f"{self._member.title} waits for {cause.name}"
        # Without the output, which the page requests itself: not every client may see it.
        return self._problem(
            title,
            "What you have asked for takes the place of this page as soon as it answers.",
            is_live=True,
        )

    def _problem(
        self, title: str, detail: str, *, is_live: bool = False, public_detail: str = ""
    ) -> Problem:
        # A page follows the state of its cause: that of its own service may never change.
        cause = self._member.cause()
        state, generation = cause.state
        return Problem(
            503,
            title,
            detail,
            output=b"" if is_live else self._launcher.output.tail,
            is_live=is_live,
            public_detail=public_detail,
            retry_after_s=RETRY_AFTER_S,
            service=cause.name if cause is not self._member else "",
            state=state,
            generation=generation,
        )
