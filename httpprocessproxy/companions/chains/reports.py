"""The error report of a failed hop, formatted as a POST or as a datagram. No I/O.

The rule: a report holds one line written by the proxy and the text of the server's response; no
paths of files, no tracebacks.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.companions.chains.chain import ERROR_CONDITION, Chain

# The body of a server's error response is cut to this.
MAX_TEXT_BYTES: Final = 64 * 1024
# A datagram of this size fits into one packet on every network.
MAX_DATAGRAM_BYTES: Final = 1200
MAX_MESSAGE_CHARACTERS: Final = 256

_UNPRINTABLE: Final = re.compile(r"[^ -~]+")


@dataclass(frozen=True, slots=True)
class Report:
    """An error: External if a server responded with status `code`, Internal if `code` is 0.

    `chain` is the remaining chain, `host` the Host of the request that failed, `iri` its path, and
    `text` the body of the server's response.
    """

    chain: Chain
    iri: str
    host: str
    message: str
    code: int = 0
    text: str = ""

    @property
    def condition(self) -> str:
        return "External" if self.code else "Internal"

    @property
    def line(self) -> str:
        """The message as a field value: printable ASCII, at most 256 characters."""
        return _UNPRINTABLE.sub(" ", self.message)[:MAX_MESSAGE_CHARACTERS]

    def fields(self) -> dict[str, str]:
        """The header fields of the report's POST."""
        fields = self.chain.fields()
        del fields["X-Forward-Errors-To"]
        fields |= {"Content-Type": "application/json", ERROR_CONDITION: self.condition}
        if self.code:
            fields["X-Forward-Error-Code"] = str(self.code)
        return fields | {"X-Forward-Error-Message": self.line}

    def body(self) -> bytes:
        """The body of the report's POST, JSON."""
        return self._json(self.text)

    def datagram(self) -> bytes:
        """The report as JSON of at most MAX_DATAGRAM_BYTES; its longest members are cut."""
        iri = self.iri[: MAX_DATAGRAM_BYTES // 4]
        host = self.host[: MAX_DATAGRAM_BYTES // 8]
        short = Report(self.chain, iri, host, self.line, self.code)
        # JSON escapes some characters as six bytes, so the size follows only from encoding: the
        # text is halved until the datagram fits.
        size = len(self.text)
        while len(datagram := short._json(self.text[:size])) > MAX_DATAGRAM_BYTES:
            if not size:
                return Report(self.chain, "", "", self.line, self.code)._json("")
            size //= 2
        return datagram

    def _json(self, text: str) -> bytes:
        members = {
            "id": self.chain.id,
            "iri": self.iri,
            "levelname": "ERROR",
            "host": self.host,
            "errorType": self.condition,
        }
        if self.code:
            members["errorCode"] = str(self.code)
        members["errorMessage"] = self.line
        if self.code:
            members["responseText"] = text
        return json.dumps(members).encode()
