"""The allowed destinations of hops and of error reports."""

import pytest

from httpprocessproxy.companions.chains.allowlist import Allowlist
from httpprocessproxy.companions.fetch_client import Refused
from httpprocessproxy.core.errors import UserError
from test.loops import run

ALLOWED = ("http://one.example", "https://[::1]:8443/", "udp://127.0.0.1:514", "errors.example:1")


@pytest.mark.parametrize(
    "text",
    [
        *("http://one.example/any?path", "HTTP://ONE.example:80", "https://[::1]:8443"),
        *("udp://127.0.0.1:514", "127.0.0.1:514", "UDP://Errors.example:1/", "errors.example:1"),
    ],
)
def test_destination_on_the_list_is_allowed(text: str) -> None:
    Allowlist(ALLOWED).permits(text)


@pytest.mark.parametrize(
    "text",
    [
        *("http://one.example:81", "https://one.example", "udp://one.example:80", "one.example:80"),
        *("http://127.0.0.1:514", "http://errors.example:1", "udp://127.0.0.1:515"),
        *("udp://0x7f000001:514", "udp://127.1:514", "udp://[::ffff:127.0.0.1]:514"),
        *("udp://a@127.0.0.1:514", "udp://127.0.0.1", "errors.example", "tcp://errors.example:1"),
        *("", "http://", "udp://127.0.0.1:514/path"),
    ],
)
def test_destination_off_the_list_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        Allowlist(ALLOWED).permits(text)


@pytest.mark.parametrize(
    "text", ["ftp://one.example", "one.example", "http://one.example/path", ""]
)
def test_malformed_destination_in_the_option_is_a_user_error(text: str) -> None:
    with pytest.raises(UserError, match="--forward-allow: "):
        Allowlist([text])


def test_localhost_resolves_to_ipv4() -> None:
    async def main() -> None:
        _, address = await Allowlist(["udp://localhost:514"]).addresses("localhost:514")
        assert address == ("127.0.0.1", 514)

    run(main())
