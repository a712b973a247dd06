"""Telling an error to whoever a chain names for it: by a POST, or by one datagram.

The rule: an error of telling an error is a line in the log, and nothing more.
"""

import socket
from typing import Final

import aiohttp

from httpprocessproxy.companions.chains.allowlist import Allowlist, is_web
from httpprocessproxy.companions.chains.reports import Report
from httpprocessproxy.companions.fetch_client import Outgoing, Refused, Timeouts

TIMEOUTS: Final = Timeouts(total_s=10.0, connect_s=5.0, idle_s=10.0)


async def tell(report: Report, outgoing: Outgoing, destinations: Allowlist) -> str:
    """Tell it once. Return what went wrong with that, or ""."""
    destination = report.chain.errors_to
    try:
        destinations.permits(destination)
        if is_web(destination):
            return await _post(report, outgoing)
        family, address = await destinations.addresses(destination)
        _send_datagram(report.datagram(), family, address)
    except TimeoutError:
        return f"no answer within {TIMEOUTS.total_s:g} s"
    except (aiohttp.ClientError, OSError, Refused) as error:
        return str(error) or type(error).__name__
    return ""


async def _post(report: Report, outgoing: Outgoing) -> str:
    """Raises what `Outgoing.send` does."""
    url, fields, body = report.chain.errors_to, report.fields(), report.body()
    async with outgoing.send("POST", url, fields, body, TIMEOUTS) as response:
        is_told = 200 <= response.status < 300
        return "" if is_told else f"it answered with {response.status}"


def _send_datagram(data: bytes, family: socket.AddressFamily, address: tuple[str, int]) -> None:
    """Raises OSError, also if the kernel has no room for it at once."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto(data, address)
