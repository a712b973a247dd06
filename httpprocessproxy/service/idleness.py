"""Stops a service that has no requests for a while: the next request starts it."""

import asyncio
from typing import Final, NoReturn

from httpprocessproxy.core.idle import IdleMeter
from httpprocessproxy.core.lines import duration
from httpprocessproxy.core.needs import Pause
from httpprocessproxy.core.state import State
from httpprocessproxy.service.context import DataPlane
from httpprocessproxy.service.gate import Gate
from httpprocessproxy.service.member import Member

# The interval of looks is a quarter of the time without requests, and this at most.
LOOK_S: Final = 1.0


async def stop_when_idle(member: Member, gate: Gate, plane: DataPlane, idle_s: float) -> NoReturn:
    """Stop the service after each `idle_s` seconds without a request, until cancelled."""
    loop, meter = asyncio.get_running_loop(), IdleMeter(idle_s)
    while True:
        await asyncio.sleep(min(idle_s / 4, LOOK_S))
        is_used = member.condition is not State.RUNNING or plane.is_used or gate.held > 0
        is_idle = meter.look(loop.time(), gate.answers, is_used=is_used)
        if is_idle and not member.is_needed():
            # The gate closes in this call: no request can reach a process that is to be stopped.
            member.suspend(Pause.IDLE, f"no request for {duration(idle_s * 1000)}")
