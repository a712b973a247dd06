"""The values of placeholders, and the name of a work tree."""

from pathlib import Path

import pytest

from httpprocessproxy.config import Address
from httpprocessproxy.process import PlaceholderValues, worktree_name
from httpprocessproxy.system.checkout import Checkout


def test_values_are_the_present_ports() -> None:
    ports = [5432]
    values = PlaceholderValues("fix")
    values.add("db", lambda: Address("localhost", ports[-1]))
    values.add("far", lambda: Address("", 80))
    assert values() == {
        "worktree": "fix",
        "db.port": "5432",
        "db.url": "http://localhost:5432",
        "far.port": "80",
        "far.url": "http://localhost:80",
    }
    ports.append(1)
    assert values()["db.url"] == "http://localhost:1"


@pytest.mark.parametrize(
    ("branch", "folder", "name"),
    [
        ("main", "/a/shop", "main"),
        ("feature/Cart_2", "/a/shop", "feature-cart-2"),
        ("-é-", "/a/My Shop", "my-shop"),
        ("", "/a/shop", "shop"),
        ("", "/a/日本", "project"),
        ("x" * 62 + "/y", "/a", "x" * 62),
    ],
)
def test_name_of_a_work_tree_is_a_label_of_a_host(branch: str, folder: str, name: str) -> None:
    assert worktree_name(Path("/elsewhere"), Checkout(Path(folder), branch, "")) == name


def test_name_without_a_checkout_is_that_of_the_folder() -> None:
    assert worktree_name(Path("/a/Shop"), None) == "shop"
