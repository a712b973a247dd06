"""Prefixes of the lines of services."""

from httpprocessproxy.process.labels import Labels


def labels(*names: str) -> Labels:
    made = Labels()
    for name in names:
        made.add(name)
    return made


def test_names_are_padded_to_the_longest() -> None:
    made = labels("db", "worker")
    assert made.count == 2
    assert made.prefix("db", has_colour=False) == b"db     | "
    assert made.prefix("worker", has_colour=False) == b"worker | "
    assert len(made.prefix("db", has_colour=False)) == made.columns


def test_each_service_has_a_colour_by_its_place() -> None:
    made = labels("db", "api")
    assert made.prefix("db", has_colour=True) == b"\x1b[36mdb  |\x1b[m "
    assert made.prefix("api", has_colour=True) == b"\x1b[33mapi |\x1b[m "
    assert labels("db").prefix("db", has_colour=True).startswith(b"\x1b[36m")


def test_prefix_of_another_name_has_no_colour() -> None:
    assert labels("api").prefix("external", has_colour=True) == b"external | "
