"""The relay's command line: its settings, and its one-line errors."""

import ipaddress
from pathlib import Path

import pytest

from httpprocessproxy.companions.share.relay.cli import read_settings
from httpprocessproxy.companions.share.relay.settings import RelaySettings
from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError

LEAST = (":8080", "--domain", "Example.Test.", "--tokens", "tokens")


def test_required_arguments_give_default_settings() -> None:
    expected = RelaySettings(Address("", 8080), "example.test", Path("tokens"))
    assert read_settings(LEAST) == expected


def test_all_options_are_read_into_settings() -> None:
    settings = read_settings(
        (
            *LEAST,
            *("--hold", "1", "--deadline", "2", "--grace", "3", "--drain", "4"),
            *("--max-body", "5", "--max-header", "6k", "--max-memory", "7G"),
            *("--max-queue", "8", "--max-visits", "9", "--metrics", "9090"),
            *("--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "::1"),
            "--no-access-log",
        )
    )
    assert settings == RelaySettings(
        bind=Address("", 8080),
        domain="example.test",
        tokens=Path("tokens"),
        hold_s=1,
        deadline_s=2,
        grace_s=3,
        drain_s=4,
        max_body_bytes=5,
        max_header_bytes=6 * 1024,
        max_memory_bytes=7 * 1024**3,
        max_queue=8,
        max_visits=9,
        trusted_proxies=(ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128")),
        metrics=Address("localhost", 9090),
        access_log=False,
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "the following arguments are required: BIND, --domain, --tokens"),
        ((*LEAST, "--nonsense"), "unrecognized arguments: --nonsense"),
        ((*LEAST, "--redis", "redis://localhost"), "unrecognized arguments: --redis"),
        ((*LEAST, "--hold", "x"), "not a time: 'x'"),
        ((*LEAST, "--max-body", "1T"), "not a size: '1T'"),
        ((*LEAST, "--max-body", "1\N{KELVIN SIGN}"), "not a size: '1\N{KELVIN SIGN}'"),
        ((*LEAST, "--max-queue", "0"), "not a number: '0'"),
        ((*LEAST, "--trusted-proxy", "x"), "not a network: 'x'"),
        ((*LEAST, "--domain", "a b"), "not a domain: 'a b'"),
        (("x", *LEAST[1:]), "not an address: 'x'"),
    ],
)
def test_invalid_arguments_raise_a_one_line_error(
    arguments: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(UserError) as raised:
        read_settings(arguments)
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_trusted_proxies_match_by_network() -> None:
    settings = read_settings((*LEAST, "--trusted-proxy", "10.0.0.0/8"))
    assert settings.trusts("10.1.2.3")
    assert settings.trusts("::ffff:10.1.2.3"), "an IPv4 address on an IPv6 socket"
    assert not settings.trusts("11.1.2.3")
    assert not settings.trusts("::1")
    assert not settings.trusts("unknown")
