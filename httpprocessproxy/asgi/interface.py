"""The types of an ASGI application, and the exception that marks its failures."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping

Scope = MutableMapping[str, object]
Event = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Mapping[str, object]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

State = dict[str, object]


class ApplicationError(Exception):
    """An application has failed; `__cause__` is the exception that it raised."""


def contained(application: Application) -> Application:
    """Wrap an application so that every exception it raises becomes an ApplicationError.

    This includes SystemExit, which would end the event loop when raised in a task.
    """

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await application(scope, receive, send)
        except (Exception, SystemExit) as error:
            raise ApplicationError from error

    return call
