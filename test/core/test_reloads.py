"""Reloads: one for each group of restarts, whatever the order of their ends."""

from itertools import permutations

import pytest

from httpprocessproxy.core.reloads import TOGETHER_S, Reloads


def settle(reloads: Reloads, *services: str) -> list[bool]:
    return [reloads.settled(service, has_failed=False) for service in services]


def begin(reloads: Reloads, now: float, *services: str) -> None:
    for service in services:
        reloads.began(service, now)


def test_single_service_reloads_each_time_it_settles() -> None:
    reloads = Reloads()
    for now in (1.0, 2.0, 2.001):
        begin(reloads, now, "web")
        assert settle(reloads, "web") == [True]


@pytest.mark.parametrize("order", list(permutations(("api", "web", "worker"))))
def test_last_service_of_a_save_reloads(order: tuple[str, ...]) -> None:
    reloads = Reloads()
    begin(reloads, 1.0, "web", "api", "worker")
    assert settle(reloads, *order) == [False, False, True]


def test_failed_service_counts_as_settled() -> None:
    reloads = Reloads()
    begin(reloads, 1.0, "web", "api")
    assert not reloads.settled("web", has_failed=True)
    assert settle(reloads, "api") == [True]


def test_failure_outside_a_restart_reloads() -> None:
    assert Reloads().settled("web", has_failed=True)


def test_start_of_an_idle_service_does_not_reload() -> None:
    assert settle(Reloads(), "web") == [False]


def test_changes_that_are_reported_apart_belong_together_for_a_moment() -> None:
    reloads = Reloads()
    begin(reloads, 1.0, "web")
    begin(reloads, 1.0 + 0.9 * TOGETHER_S, "api")
    assert settle(reloads, "web", "api") == [False, True]


def test_later_save_of_another_service_reloads_by_itself() -> None:
    reloads = Reloads()
    begin(reloads, 1.0, "web")
    begin(reloads, 1.0 + 1.1 * TOGETHER_S, "api")
    assert settle(reloads, "api", "web") == [True, True]


def test_service_that_hangs_delays_only_the_saves_that_concern_it() -> None:
    reloads = Reloads()
    begin(reloads, 1.0, "web", "slow")
    assert settle(reloads, "web") == [False]
    begin(reloads, 2.0, "web")
    assert settle(reloads, "web", "slow") == [True, True]


def test_groups_with_a_common_service_become_one() -> None:
    reloads = Reloads()
    begin(reloads, 1.0, "web", "api")
    begin(reloads, 2.0, "worker", "api")
    assert settle(reloads, "web", "worker", "api") == [False, False, True]


def test_group_that_has_settled_takes_no_further_service() -> None:
    reloads = Reloads()
    begin(reloads, 1.0, "web")
    assert settle(reloads, "web") == [True]
    begin(reloads, 1.01, "api")
    assert settle(reloads, "api") == [True]


def test_restart_that_is_given_up_reloads_only_for_others_of_its_group() -> None:
    reloads = Reloads()
    begin(reloads, 1.0, "web")
    assert not reloads.given_up("web")
    assert not reloads.given_up("web")  # it has no group
    begin(reloads, 2.0, "web", "api", "worker")
    assert settle(reloads, "web") == [False]
    assert not reloads.given_up("api")
    assert settle(reloads, "worker") == [True]
    begin(reloads, 3.0, "web", "api")
    assert settle(reloads, "web") == [False]
    assert reloads.given_up("api")


def test_service_that_joins_a_group_late_takes_part_in_its_reload() -> None:
    reloads = Reloads()
    begin(reloads, 1.0, "web", "api")
    assert settle(reloads, "web") == [False]
    begin(reloads, 1.01, "worker")
    assert settle(reloads, "api", "worker") == [False, True]
