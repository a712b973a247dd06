"""The builds of a service (`--before`), connected with its other parts."""

from dataclasses import dataclass
from functools import partial

from httpprocessproxy.config import ServiceConfig
from httpprocessproxy.core.state import Machine
from httpprocessproxy.events import EventBus
from httpprocessproxy.process import Launcher, open_for_writing
from httpprocessproxy.service.build_process import BuildProcess
from httpprocessproxy.service.builds import BuildEffects, Builds, Paths
from httpprocessproxy.service.freshness import WatcherFreshness
from httpprocessproxy.service.gate import Gate
from httpprocessproxy.service.generation import GenerationOutcome
from httpprocessproxy.service.history import History
from httpprocessproxy.service.member import Member
from httpprocessproxy.service.outages import Outages
from httpprocessproxy.service.reports import Reports
from httpprocessproxy.service.verdict_queue import VerdictEffects, VerdictQueue


@dataclass(frozen=True, slots=True)
class BuiltParts:
    """The parts of a service that builds have an effect on."""

    config: ServiceConfig
    launcher: Launcher
    machine: Machine
    member: Member
    gate: Gate
    history: History
    freshness: WatcherFreshness
    outages: Outages
    reports: Reports
    bus: EventBus

    def refuse(self, failure: str) -> None:
        """Record why the server cannot start, and refuse requests that were held for a build."""
        self.history.outcome = GenerationOutcome(None, failure)
        self.gate.resume()

    def include(self, paths: Paths) -> None:
        """Add files to the restart in progress."""
        self.member.inbox.paths |= paths


def builds_of(parts: BuiltParts) -> Builds:
    """The builds of a service, which changes and requests then wait for."""
    config, gate, tree = parts.config, parts.gate, parts.launcher.tree
    verdicts = gate.verdicts = VerdictQueue(
        config.restart.queue_timeout_s,
        VerdictEffects(
            fence=parts.freshness.settle,
            is_building=lambda: builds.is_running,
            admit=gate.enter_unfenced,
            overdue=parts.outages.overdue,
        ),
    )
    effects = BuildEffects(
        begin=parts.member.begin_restart,
        give_up=parts.member.give_up_restart,
        restart=parts.member.changed,
        request=parts.member.inbox.restart,
        include=parts.include,
        refuse=parts.refuse,
        release=verdicts.release,
        publish=partial(parts.bus.publish, keep=False),
        say=parts.reports.say,
        caught_up=parts.freshness.settle,
        open_files=partial(open_for_writing, tree.processes),
    )
    process = BuildProcess(config.before, parts.launcher)
    builds = Builds(config.name, process, parts.machine, config.watch.settle_s, effects)
    parts.freshness.awaits_build = lambda: builds.holds_requests
    parts.outages.build = lambda: builds.last
    return builds
