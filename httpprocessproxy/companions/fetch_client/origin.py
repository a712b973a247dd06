"""The origin of a URL: scheme, host and port, in one normal form (RFC 6454 section 4). No I/O.

The rule: one parser (yarl) reads a URL for the check and for the connection, so both see the same
host. Spellings that only some programs read as an address (127.1, 0x7f000001, 2130706433) are
rejected.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from yarl import URL

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.ip import Ip, parsed_ip

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

MAX_URL_BYTES: Final = 8 * 1024

# Blanks and control characters split requests; only some parsers read a backslash as a slash.
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f\\\u0085\u2028\u2029\ud800-\udfff]")
_HAS_USER: Final = re.compile(r"[^/?#]*//[^/?#]*@")
_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?")
# RFC 1035 section 2.3.4: the limit of a label. Resolvers reject longer ones.
_MAX_LABEL_BYTES: Final = 63
# The URL Standard's "host ends in a number": resolvers read these hosts as addresses.
_ENDS_IN_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FetchOrigin:
    """An origin: `host` is a lower-case ASCII name or an address without brackets."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "FetchOrigin":
        """Parse `http(s)://HOST[:PORT]`, optionally with a trailing slash. Raises ValueError."""
        url = parse_url(text)
        if url.raw_path not in ("", "/") or url.raw_query_string or url.raw_fragment:
            raise ValueError(f"not an origin: {text[:100]!r} (write http://HOST or https://HOST)")
        return cls.of(url)

    @classmethod
    def of(cls, url: URL) -> "FetchOrigin":
        """The origin of a URL that `parse_url` returned."""
        assert url.raw_host is not None, "checked by parse_url"
        assert url.port is not None, "checked by parse_url"
        return cls(url.scheme, _normal_host(url.raw_host), url.port)

    @property
    def address(self) -> Ip | None:
        """The host as an address; None for a name."""
        return parsed_ip(self.host)

    @property
    def authority(self) -> str:
        """The value of its Host field (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def at(self, address: Ip) -> "FetchOrigin":
        """The origin with the same scheme and port at an IP address."""
        return FetchOrigin(self.scheme, str(address), self.port)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def read_origin(text: str) -> FetchOrigin:
    """Parse an origin that is the value of an option. Raises UserError."""
    try:
        return FetchOrigin.parse(text)
    except ValueError as error:
        raise UserError(str(error)) from None


def parse_url(text: str) -> URL:
    """Parse an absolute http or https URL, for the check and the request. Raises ValueError."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_URL_BYTES:
        raise ValueError(f"a URL has at most {MAX_URL_BYTES} bytes")
    if _UNSAFE.search(text):
        raise ValueError(f"not a URL: {text[:100]!r} (blanks, controls and \\ are to be encoded)")
    try:
        url = URL(text)
        url.port  # noqa: B018 - yarl parses the port on access
    except (ValueError, TypeError):
        raise ValueError(f"not a URL: {text[:100]!r}") from None
    return _checked(url, text)


def _checked(url: URL, text: str) -> URL:
    if url.scheme not in DEFAULT_PORTS:
        raise ValueError(f"only http and https: {text[:100]!r}")
    if _HAS_USER.match(text):
        raise ValueError("a URL must not have a user or password in it")
    if not url.raw_host or not url.port:
        raise ValueError(f"not a URL: {text[:100]!r} (it has no host, or no port)")
    _normal_host(url.raw_host)
    return url


def _normal_host(raw: str) -> str:
    """Raises ValueError."""
    host = raw.lower()
    try:
        if ":" in host and "%" not in host:
            return str(ipaddress.IPv6Address(host))
        if _ENDS_IN_NUMBER.fullmatch(host.removesuffix(".")):
            return str(ipaddress.IPv4Address(host))
    except ValueError:
        raise ValueError(f"not an address: {raw[:100]!r}") from None
    host = host.removesuffix(".")
    sizes = [len(label) for label in host.split(".")]
    if not _NAME.fullmatch(host) or not all(0 < size <= _MAX_LABEL_BYTES for size in sizes):
        raise ValueError(f"not a host: {raw[:100]!r}")
    return host
