"""What is told of a hop that failed, as a POST or as a datagram. No I/O.

The rule: no paths, no traces, nothing but one line of our own words, and what the server said.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.companions.chains.chain import ERROR_CONDITION, Chain

# Of what a server said with an error. A datagram has to fit into one packet everywhere.
MAX_TEXT_BYTES: Final = 64 * 1024
MAX_DATAGRAM_BYTES: Final = 1200
MAX_MESSAGE_CHARACTERS: Final = 256

_UNPRINTABLE: Final = re.compile(r"[^ -~]+")


@dataclass(frozen=True, slots=True)
class Report:
    """An error: External if a server answered with `code`, or Internal if `code` is 0.

    `chain` is what is left of it, `host` the server where it happened.
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
        """The message as a field's value."""
        return _UNPRINTABLE.sub(" ", self.message)[:MAX_MESSAGE_CHARACTERS]

    def fields(self) -> dict[str, str]:
        """The fields of the POST that tells it."""
        fields = self.chain.fields()
        del fields["X-Forward-Errors-To"]
        fields |= {"Content-Type": "application/json", ERROR_CONDITION: self.condition}
        if self.code:
            fields["X-Forward-Error-Code"] = str(self.code)
        return fields | {"X-Forward-Error-Message": self.line}

    def body(self) -> bytes:
        """The body of that POST."""
        return self._json(self.text)

    def datagram(self) -> bytes:
        """The same, its longest parts cut to what a datagram holds."""
        iri = self.iri[: MAX_DATAGRAM_BYTES // 4]
        host = self.host[: MAX_DATAGRAM_BYTES // 8]
        short = Report(self.chain, iri, host, self.line, self.code)
        # Escapes make some characters six bytes long: the half is tried, and the half of that.
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
