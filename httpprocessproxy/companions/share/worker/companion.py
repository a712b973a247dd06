"""A share beside the proxy: visits are clients of the data plane, and reports are events."""

from collections.abc import Callable
from dataclasses import replace

from httpprocessproxy.companions.share.worker.announcing import announcement, qr_code
from httpprocessproxy.companions.share.worker.options import ShareOptions
from httpprocessproxy.companions.share.worker.proxy_site import ProxySite
from httpprocessproxy.companions.share.worker.settings import (
    Reporter,
    ShareRefusedError,
    VisitRecord,
)
from httpprocessproxy.companions.share.worker.worker import work
from httpprocessproxy.events import INFO, EventBus, Notice, VisitEnded
from httpprocessproxy.proxy.exchanges import Exchanges


class Share:
    """The share of one run of the proxy."""

    def __init__(self, options: ShareOptions) -> None:
        """Parse the options. Raises UserError."""
        # The proxy itself refuses visitors the pages that are not public.
        self._settings = replace(options.settings(), hides_own_pages=False)

    async def run(self, exchanges: Exchanges, bus: EventBus, show: Callable[[str], None]) -> None:
        """Share until cancelled; if the relay refuses the share, log that and return.

        `exchanges` answer the visits; `show` prints the QR code.
        """

        def info(text: str) -> None:
            bus.publish(Notice(text=text, severity=INFO))

        def warn(text: str) -> None:
            bus.publish(Notice(text=text))

        def visit_ended(record: VisitRecord) -> None:
            bus.publish(_event(record), keep=False)

        info(announcement(self._settings))
        code = qr_code(self._settings.public_url)
        if code is not None:
            show(code)
        try:
            site = ProxySite(exchanges)
            await work(self._settings, lambda tasks: site, Reporter(info, warn, visit_ended))
        except ShareRefusedError as error:
            warn(f"share: {error}; not shared any more")


def _event(record: VisitRecord) -> VisitEnded:
    return VisitEnded(
        client=record.ip,
        method=record.method,
        target=record.url,
        status=record.status,
        duration_ms=round(record.duration_s * 1000, 1),
    )
