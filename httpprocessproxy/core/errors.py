"""The exceptions of this package.

    UserError           an option or the environment is wrong: one line, exit status 2
    PeerError           a client or the backend broke its protocol
        RequestError    ... the client did: answered with `status`
        ResponseError   ... the backend did: the client gets 502
        BodyError       ... one of them did, after a good head: what was begun is cut

Anything else that escapes is a bug of ours and ends in a traceback.
"""


class UserError(Exception):
    """Something the user can mend; the text says what to change. Exit status 2."""


class PeerError(Exception):
    """The other side of a connection broke its protocol; the text says how."""


class RequestError(PeerError):
    """A request that must not reach the backend, and the status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status

    @property
    def sentence(self) -> str:
        """The reason, with a full stop unless its last line is something to copy."""
        return str(self) if "\n" in str(self) else f"{self}."


class ResponseError(PeerError):
    """A response that cannot be passed on (RFC 9110 section 15.6.3: 502)."""


class BodyError(PeerError):
    """A body whose framing is broken, or that ended too early (RFC 9112 section 8)."""
