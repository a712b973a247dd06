"""A service among others: those that it needs or follows, and those that need or follow it.

A change of one service takes effect on the others at once, by direct calls: the event bus carries
news, and controls nothing. The rules are in `core/needs.py` and `core/reloads.py`.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from httpprocessproxy.core.dependencies import needed_by, start_order
from httpprocessproxy.core.lines import enumeration
from httpprocessproxy.core.needs import Condition, Pause, Treatment, treatment, waits_for
from httpprocessproxy.core.reloads import Reloads
from httpprocessproxy.core.state import Command, Machine, State
from httpprocessproxy.service.history import History
from httpprocessproxy.service.inbox import Inbox


@dataclass(frozen=True, slots=True)
class Relations:
    """The other services that a service has to do with, and the reloads of all.

    needed      it starts after these; also those that are needed through others
    dependents  these need it, also through others
    followed    their restart restarts it
    followers   its restart restarts these
    sources     the services that it needs or follows, also through others
    """

    needed: Sequence["Member"] = ()
    dependents: Sequence["Member"] = ()
    followed: Sequence["Member"] = ()
    followers: Sequence["Member"] = ()
    sources: Sequence["Member"] = ()
    reloads: Reloads = field(default_factory=Reloads)


class Member:
    """The condition of one service, and the effects of it on others. It begins without others."""

    def __init__(self, name: str, machine: Machine, inbox: Inbox, history: History) -> None:
        self.name = name
        self.title = "The server"  # on pages; its name, if there are others
        self.inbox = inbox
        self.relations = Relations()
        self.pause: Pause | None = None
        # Treats the service's requests, after a change of its condition or of one that it needs.
        self.treat: Callable[[], None] = lambda: None
        self._machine = machine
        self._history = history
        self._moved = asyncio.Event()
        inbox.on_change = self.begin_restart

    @property
    def condition(self) -> Condition:
        """The state as others see it: a pause takes effect before the process has ended."""
        return self._machine.state if self.pause is None else self.pause

    @property
    def state(self) -> tuple[str, int]:
        """The word for the state, and the generation, as events have them."""
        return self._history.state, self._machine.generation

    def treatment(self) -> Treatment:
        """The treatment of the service's requests, by its condition and those of all it needs."""
        return treatment({each.name: each.condition for each in (self, *self.relations.needed)})

    def cause(self) -> "Member":
        """The service that causes the treatment: this one, or one that it needs."""
        name = self.treatment().cause
        return next(each for each in (self, *self.relations.needed) if each.name == name)

    def why_not(self) -> str:
        """The reason why the service does not run, behind its name in a sentence."""
        if self.pause is Pause.STOPPED:
            return f"is stopped: `hpp start {self.name}` starts it"
        return f"has ended: {self._history.outcome.reason}. It starts again when a file changes"

    def waits_for(self) -> list[str]:
        """The names of the services that have to run before this one starts."""
        relations = self.relations
        return waits_for(
            {each.name: each.condition for each in relations.needed},
            {each.name: each.condition for each in relations.followed},
        )

    def is_needed(self) -> bool:
        """Whether a service that is not paused needs this one."""
        return any(each.pause is None for each in self.relations.dependents)

    async def may_start(self) -> bool:
        """Wait until nothing prevents the start; return whether that took a wait."""
        has_waited = False
        while self.has_to_wait:
            has_waited = True
            await self._moved.wait()
        return has_waited

    @property
    def has_to_wait(self) -> bool:
        """Whether a start has to wait, for the end of a pause or for other services."""
        return self.pause is not None or bool(self.waits_for())

    # Changes

    def moved(self) -> None:
        """Pass on that the condition has changed."""
        relations = self.relations
        for each in (self, *relations.dependents, *relations.followers):
            moved, each._moved = each._moved, asyncio.Event()
            moved.set()
            each.treat()

    def begin_restart(self) -> None:
        """Record that a restart begins, or includes a further change: browsers reload after it."""
        if self.pause is None:
            self.relations.reloads.began(self.name, time.monotonic())

    def goes_down(self) -> None:
        """Record that the generation ends, or that a start follows a failure."""
        if self.pause is None:
            self._restart_followers()

    def settled(self, command: Command | None) -> bool:
        """Record a transition with its command; return whether browsers reload."""
        state = self._machine.state
        is_over = self.pause is not None and state is State.LOADING
        if command is not Command.RELOAD_BROWSERS and not is_over:
            return False
        has_failed = state is State.ERROR
        return self.relations.reloads.settled(self.name, has_failed=has_failed)

    def give_up_restart(self, why: str) -> None:
        """Record that a restart which has begun has no effect, as its build has failed."""
        if self.relations.reloads.given_up(self.name):
            self._history.moved(why, reloads=True)

    def changed(self, paths: frozenset[str]) -> None:
        """Restart the service because of changed files, unless the user has stopped it."""
        if self.pause is None:
            self.inbox.changed(paths)
        elif self.pause is Pause.IDLE:
            self.resume(f"changed: {enumeration(sorted(paths))}")

    def suspend(self, pause: Pause, why: str) -> None:
        """Stop the service until `resume`."""
        before, self.pause = self.pause, pause
        self._history.pause = pause
        if before is None:
            self.inbox.interrupt(why)
        elif before is not pause:
            self._history.moved(why)
        self.moved()

    def resume(self, why: str, *, reloads: bool = True) -> None:
        """End a pause, and that of idle services that this one needs.

        With `reloads`, browsers reload once the service runs.
        """
        self.pause = self._history.pause = None
        if reloads:
            self.begin_restart()
        for each in self.relations.needed:
            if each.pause is Pause.IDLE:
                each.resume(why, reloads=reloads)
        if self._machine.state is State.ERROR:
            self.inbox.interrupt(why)
        elif self._machine.state is State.LOADING:
            self._history.resumed(why)
        self._restart_followers()
        self.moved()

    def wanted(self) -> None:
        """Wake the service for a request, if it is idle."""
        if self.pause is Pause.IDLE:
            self.resume("a request came", reloads=False)

    def _restart_followers(self) -> None:
        for each in self.relations.followers:
            if each.pause is None:
                each.inbox.restart(f"the restart of {self.name}")


def relate(
    members: Sequence[Member],
    needs: Mapping[str, Sequence[str]],
    follows: Mapping[str, Sequence[str]],
) -> None:
    """Set the relations of members, by the names that each needs and follows directly.

    A name without a member is that of a server that the proxy does not run: it is always there.
    Raises CycleError.
    """
    names = [each.name for each in members]
    needed = _closures({name: [one for one in needs[name] if one in names] for name in names})
    direct = {
        name: [one for one in (*needs[name], *follows[name]) if one in names] for name in names
    }
    sources = _closures(direct)
    position = {name: at for at, name in enumerate(start_order(direct))}
    order = sorted(members, key=lambda each: position[each.name])
    reloads = Reloads()
    for member in members:
        name = member.name
        member.relations = Relations(
            needed=[each for each in order if each.name in needed[name]],
            dependents=[each for each in order if name in needed[each.name]],
            followed=[each for each in order if each.name in follows[name]],
            followers=[each for each in order if name in follows[each.name]],
            sources=[each for each in order if each.name in sources[name]],
            reloads=reloads,
        )
        member.inbox.sources = [each.inbox for each in member.relations.sources]
        for inbox in member.inbox.sources:
            inbox.dependents.append(member.inbox)


def _closures(direct: Mapping[str, Sequence[str]]) -> Mapping[str, Set[str]]:
    """All names that each name leads to."""
    return {name: needed_by(names, direct) for name, names in direct.items()}
