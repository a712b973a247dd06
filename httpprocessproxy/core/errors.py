"""The exceptions of this package.

    UserError           an option or the environment is wrong: one line, exit status 2
    PeerError           a client or the backend broke its protocol
        RequestError    ... by the client's head: the response has `status`
        ResponseError   ... by the backend's head: the client gets 502
        BodyError       ... by a body, after a valid head: the message is cut

Any other exception is a bug of this program, and its traceback is printed.
"""


class UserError(Exception):
    """An error that the user can correct; the text names the change. Exit status 2."""


class PeerError(Exception):
    """The peer of a connection broke its protocol; the text describes the violation."""


class RequestError(PeerError):
    """A request that must not reach the backend, and the status of the response."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status

    @property
    def sentence(self) -> str:
        """The reason, with a full stop unless its last line is a text to copy."""
        return str(self) if "\n" in str(self) else f"{self}."


class ResponseError(PeerError):
    """A response that cannot be passed on (RFC 9110 section 15.6.3: 502)."""


class BodyError(PeerError):
    """A body whose framing is broken, or that ended too early (RFC 9112 section 8)."""
