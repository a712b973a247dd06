"""Sending an error report to the chain's X-Forward-Errors-To: as a POST, or as one datagram.

The rule: a report that cannot be sent is one line in the log; it causes no further report.
"""

import socket
from typing import Final

import aiohttp

from httpprocessproxy.companions.chains.allowlist import Allowlist, is_web
from httpprocessproxy.companions.chains.reports import Report
from httpprocessproxy.companions.fetch_client import Outgoing, Refused, Timeouts

TIMEOUTS: Final = Timeouts(total_s=10.0, connect_s=5.0, idle_s=10.0)


async def send_report(report: Report, outgoing: Outgoing, destinations: Allowlist) -> str:
    """Send a report once. Return a description of the error, or ""."""
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
    """Return an error, or "". Raises the exceptions of `Outgoing.send`."""
    url, fields, body = report.chain.errors_to, report.fields(), report.body()
    async with outgoing.send("POST", url, fields, body, TIMEOUTS) as response:
        is_accepted = 200 <= response.status < 300
        return "" if is_accepted else f"it answered with {response.status}"


def _send_datagram(data: bytes, family: socket.AddressFamily, address: tuple[str, int]) -> None:
    """Send without blocking. Raises OSError, BlockingIOError if the socket's buffer is full."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto(data, address)
