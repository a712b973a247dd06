"""Parts of lines: numbers, lists of names, text for a terminal."""

from httpprocessproxy.core.lines import duration, enumeration, printable, size


def test_durations_and_sizes_have_readable_units() -> None:
    assert [duration(ms) for ms in (0.4, 999, 1000, 61_500)] == [
        "0 ms",
        "999 ms",
        "1.0 s",
        "61.5 s",
    ]
    assert [size(n) for n in (0, 999, 1000, 3_401, 2e6, 5e12)] == [
        *("0 B", "999 B", "1.0 kB", "3.4 kB", "2.0 MB", "5000.0 GB"),
    ]


def test_enumeration_counts_the_names_not_shown() -> None:
    assert enumeration([]) == ""
    assert enumeration(["a", "b", "c"], shown=3) == "a, b, c"
    assert enumeration(["a", "b", "c"], shown=2) == "a, b and 1 more"


def test_printable_text_is_unchanged_and_controls_are_escaped() -> None:
    assert printable("größe 日本.py") == "größe 日本.py"
    assert printable("a\nb\x9b") == "a\\nb\\x9b"
