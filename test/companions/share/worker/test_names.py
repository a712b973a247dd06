"""Names of chance: five words that a host may have."""

from httpprocessproxy.companions.share.worker.names import random_name
from httpprocessproxy.core.http.hosts import parse_authority


def test_a_name_is_a_label_of_the_dns() -> None:
    names = {random_name() for _ in range(200)}
    assert len(names) > 190
    for name in names:
        assert len(name) <= 63
        assert name.count("-") == 4
        assert parse_authority(f"{name}.example.test".encode())[0].startswith(name)
