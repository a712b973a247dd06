"""The library entrance: an ASGI server that runs inside another program.

The packages of the extra `[asgi]` are imported when a server starts.
"""

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Coroutine
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from httpprocessproxy.asgi.interface import Application
from httpprocessproxy.asgi.trace import traced
from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.frontends import needs
from httpprocessproxy.system.event_loop import call_from_thread

if TYPE_CHECKING:
    from httpprocessproxy.asgi.serving import ListenPlace

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 8080

_log = logging.getLogger(__name__)


class ASGIServer:
    """Serves `app` over HTTPS (HTTP/1.1, HTTP/2, WebSockets), and over HTTP/3 on the same port.

    The server runs on `loop`, which the caller runs; without `loop`, on the event loop that is
    running when `start` is called; without one, on a new loop in a new thread. Without `certfile`,
    the local CA issues the certificate. `debug` logs each request.

    The futures `started` and `ended` report its state: wait with `.result()` in a thread, or with
    `await asyncio.wrap_future(...)` in a coroutine. Both raise the exception that ends the server.
    """

    def __init__(
        self,
        app: Application,
        loop: asyncio.AbstractEventLoop | None = None,
        debug: bool = False,
        *,
        certfile: str | PathLike[str] | None = None,
        keyfile: str | PathLike[str] | None = None,
    ) -> None:
        self.started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.port = 0
        self._app = traced(app) if debug else app
        self._loop = loop
        self._certfile = Path(certfile) if certfile is not None else None
        self._keyfile = Path(keyfile) if keyfile is not None else None
        self._thread: threading.Thread | None = None
        self._stopping = asyncio.Event()

    def start(self, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> None:
        """Listen, and return at once; clients that connect now wait until the startup completes.

        With port 0, `self.port` is the free port that was chosen. Raises UserError if the port or
        the certificate cannot be used, RuntimeError on a second call.
        """
        if self.port:
            raise RuntimeError("this server has been started: make another")
        with needs("ASGIServer", "asgi"):
            from httpprocessproxy.asgi.serving import take_place
        place = take_place(Address(host, port), self._certfile, self._keyfile)
        self.port = place.address.port
        if self._loop is None:
            self._loop = _running_loop() or self._new_loop()
        self._run(self._serve(place))

    def stop(self) -> None:
        """Stop the server: active requests get a second, then the application is shut down.

        If the server runs in its own thread, wait until the thread has ended.
        """
        if self._loop is None:
            return
        call_from_thread(self._loop, self._stopping.set)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self, main: Coroutine[None, None, None]) -> None:
        assert self._loop is not None
        # Not a task: the loop may run in another thread, or may not run yet.
        running = asyncio.run_coroutine_threadsafe(main, self._loop)
        running.add_done_callback(self._has_ended)

    async def _serve(self, place: "ListenPlace") -> None:
        from httpprocessproxy.asgi.serving import serving

        async with serving(self._app, place, _log.warning):
            self.started.set_result(None)
            await self._stopping.wait()

    def _has_ended(self, running: "concurrent.futures.Future[None]") -> None:
        error = None if running.cancelled() else running.exception()
        if error is not None:
            trace = None if isinstance(error, UserError) else error
            _log.error("the server has ended: %s", error, exc_info=trace)
        for future in (self.started, self.ended):
            if future.done():
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(None)
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=_run_loop, args=(loop,), name="ASGIServer", daemon=True
        )
        self._thread.start()
        return loop


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
