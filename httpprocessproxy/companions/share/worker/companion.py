"""A share beside the proxy: visits are played against its private socket, and told in its feed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from httpprocessproxy.companions.share.worker.announcing import announcement, qr_code
from httpprocessproxy.companions.share.worker.asking import ShareOptions
from httpprocessproxy.companions.share.worker.settings import (
    Reporter,
    ShareRefusedError,
    VisitRecord,
)
from httpprocessproxy.companions.share.worker.worker import work
from httpprocessproxy.events import INFO, EventBus, Notice, VisitEnded


class Share:
    """One for a run of the program."""

    def __init__(self, wish: ShareOptions) -> None:
        """Raises UserError."""
        # The core knows better which of its pages are for anybody.
        self._settings = replace(wish.settings(), hides_own_pages=False)

    async def run(self, visits: Path, bus: EventBus, show: Callable[[str], None]) -> None:
        """Share until cancelled, or refused by the relay: then the proxy goes on without."""

        def say(text: str) -> None:
            bus.publish(Notice(text=text, severity=INFO))

        def warn(text: str) -> None:
            bus.publish(Notice(text=text))

        def tell(visited: VisitRecord) -> None:
            bus.publish(_event(visited), keep=False)

        say(announcement(self._settings))
        code = qr_code(self._settings.public_url)
        if code is not None:
            show(code)
        try:
            await work(self._settings, visits, Reporter(say, warn, tell))
        except ShareRefusedError as error:
            warn(f"share: {error}; not shared any more")


def _event(visited: VisitRecord) -> VisitEnded:
    return VisitEnded(
        client=visited.ip,
        method=visited.method,
        target=visited.url,
        status=visited.status,
        duration_ms=round(visited.duration_s * 1000, 1),
    )
