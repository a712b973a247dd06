"""What an ASGI application is, as types, and how its failures are told from ours."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping

Scope = MutableMapping[str, object]
Event = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Mapping[str, object]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

State = dict[str, object]


class ApplicationError(Exception):
    """An application has failed; the cause is what it raised."""


def contained(application: Application) -> Application:
    """The same application, whose failures are ApplicationError, whatever it raises.

    SystemExit among them: out of a task, it would end the event loop.
    """

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await application(scope, receive, send)
        except (Exception, SystemExit) as error:
            raise ApplicationError from error

    return call
