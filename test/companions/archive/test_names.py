"""Names of members: sanitized, valid on every system, and unique."""

import re
import unicodedata
from pathlib import PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from httpprocessproxy.companions.archive.names import MAX_BYTES, MemberNames, member_path
from httpprocessproxy.companions.archive.origins import Item

LONG = "x" * 300
E_ACUTE = "\N{LATIN SMALL LETTER E WITH ACUTE}"


@pytest.mark.parametrize(
    ("item", "name"),
    [
        # The name, or the last segment of the URL, or its host.
        (Item("https://a.test/x/y.txt", name="z.txt"), "z.txt"),
        (Item("https://a.test/x/y.txt?q=1/2#f"), "y.txt"),
        (Item("/pages/about"), "about"),
        (Item("/pages/about/"), "about"),
        (Item("https://a.test/"), "a.test"),
        (Item("https://a.test:81"), "a.test"),
        (Item("/"), "index"),
        (Item("https://[::1"), "index"),
        (Item("https://[::1]/"), "__1"),
        # Percent-decoded three times; a plus is a space.
        (Item("/a%20b%2520c%252520d%25252520e"), "a b c d%20e"),
        (Item("/a+b.txt"), "a b.txt"),
        (Item("/x", name="a%2Fb"), "b"),
        # Folders never lead out of the target folder.
        (Item("/a", path="b/c"), "b/c/a"),
        (Item("/a", path="/b//c/"), "b/c/a"),
        (Item("/a", path="../../up/x"), "up/x/a"),
        (Item("/a", path="..\\..\\up"), "up/a"),
        (Item("/a", path="C:\\Windows"), "Windows/a"),
        (Item("/a", path="C:D:b"), "b/a"),
        (Item("/a", path="\\\\server\\share"), "server/share/a"),
        (Item("/a", path=". / .. / b"), "b/a"),
        (Item("/a", path=".\x00./.\u202e./b"), "b/a"),
        # A name that is empty after sanitizing is ignored.
        (Item("/a", name=".."), "a"),
        (Item("/a", name="b/"), "a"),
        (Item("/a", name="%2e%2e%2f%2e%2e%2fetc%2fpasswd"), "passwd"),
        (Item("/a", name="..\\..\\b"), "b"),
        (Item("/a", name="C:b"), "b"),
        # Device names and forbidden characters of Windows.
        (Item("/a", name="con.tar.gz"), "_con.tar.gz"),
        (Item("/a", name="NUL"), "_NUL"),
        (Item("/a", name="nul .txt"), "_nul .txt"),
        (Item("/a", path="aux", name="com¹"), "_aux/_com¹"),
        (Item("/a", name="CON" + " " * 300 + "x.txt"), "_CON.txt"),
        (Item("/a", name="console.txt"), "console.txt"),
        (Item("/a", name='a<b>c:d"e|f?g*h'), "a_b_c_d_e_f_g_h"),
        (Item("/a", name="a. . ."), "a"),
        # Invisible characters, and controls of text direction.
        (Item("/a", name="a\r\nb\x00\x7f\x85c"), "abc"),
        (Item("/a", name="photo\u202egpj.exe"), "photogpj.exe"),
        (Item("/a", name="a\ud800b"), "ab"),
        (Item("/a", name=f"e\u202e{chr(0x301)}"), E_ACUTE),
        (Item("/a", name=f"e{chr(0x301)}"), E_ACUTE),
        # Truncated before the extension.
        (Item("/a", name=f"{LONG}.txt"), f"{'x' * 195}.txt"),
        (Item("/a", name=f"a.{LONG}"), f"a.{'x' * 197}"),
        (Item("/a", name=E_ACUTE * 150), E_ACUTE * 99),
        (Item("/a", name="." * 300 + "x" * 30), "_"),
        (Item("/a", path=f"{LONG}/b"), f"{'x' * 49}/b/a"),
        (Item("/a", path=f"{LONG}/{LONG}/c/d"), f"{'x' * 49}/{'x' * 49}/a"),
    ],
)
def test_member_path_is_sanitized(item: Item, name: str) -> None:
    assert member_path(item) == name


def test_equal_names_get_numbers() -> None:
    names = MemberNames()
    given = [names.unique(path) for path in ("a.txt", "A.TXT", "a.txt", "b/a.txt", "a (2).txt")]
    assert given == ["a.txt", "A (2).TXT", "a (3).txt", "b/a.txt", "a (2) (2).txt"]


def test_names_that_differ_only_in_unicode_normalization_are_equal() -> None:
    names = MemberNames()
    assert names.unique(E_ACUTE) == E_ACUTE
    assert names.unique(unicodedata.normalize("NFD", E_ACUTE.upper())).endswith(" (2)")


def test_file_and_folder_get_different_names() -> None:
    names = MemberNames()
    assert names.unique("a") == "a"
    assert names.unique("A/b") == "A (2)/b"
    assert names.unique("a/c") == "A (2)/c", "the renamed folder A"
    assert names.unique("d/e") == "d/e"
    assert names.unique("D") == "D (2)"
    assert names.unique("D/f") == "d/f", "a folder has one spelling"


def test_reserved_name_gets_a_number() -> None:
    assert MemberNames("_errors.txt").unique("_ERRORS.txt") == "_ERRORS (2).txt"


def test_numbered_name_does_not_exceed_the_limit() -> None:
    names = MemberNames()
    longest = "x" * (MAX_BYTES - 1)
    assert names.unique(longest) == longest
    assert names.unique(longest) == "x" * (MAX_BYTES - 4) + " (2)"


def test_numbered_folders_do_not_exceed_the_limit() -> None:
    """Each folder has the name of an existing file, and so gets a number."""
    names, parent = MemberNames(), ""
    for _ in range(100):
        names.unique(f"{parent}a")
        parent = names.unique(f"{parent}a/{LONG}").rpartition("/")[0] + "/"
        assert_harmless(f"{parent}a")
    assert "a (2)/a (2)/a (2)/" in parent


def test_many_equal_names_take_linear_time() -> None:
    names = MemberNames()
    assert [names.unique("a") for _ in range(20_000)][-1] == "a (20000)"


NASTY = st.text(
    st.sampled_from(
        [*'aA.:/\\ %2fF~+()<>|?*"', "\x00", "\n", "\u202e", "\ud800", "ß", "\u017f", "İ"]
    )
    | st.characters(),
    max_size=30,
) | st.sampled_from(["con", "CON.txt", "..", "_errors.txt", LONG, "é" * 200, "a/" * 200])
ITEMS = st.builds(Item, url=st.just("/") | NASTY, name=NASTY, path=NASTY)
DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³"
}


@given(st.lists(ITEMS, max_size=12))
@example([Item("/", path="a"), Item("/a"), Item("/", path="A")])
def test_arbitrary_items_get_valid_and_distinct_names(items: list[Item]) -> None:
    names = MemberNames("_errors.txt")
    given_names = [names.unique(member_path(item)) for item in items]
    for name in given_names:
        assert_harmless(name)
    folders = {name[:end] for name in given_names for end in slashes(name)}
    spellings = [spelled(name) for name in [*given_names, "_errors.txt", *folders]]
    assert len(set(spellings)) == len(spellings)


def slashes(name: str) -> list[int]:
    return [found.start() for found in re.finditer("/", name)]


def spelled(name: str) -> str:
    """The name on a file system that ignores case and Unicode normalization."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def assert_harmless(name: str) -> None:
    assert name.encode().decode() == name == unicodedata.normalize("NFC", name)
    assert 0 < len(name.encode()) <= MAX_BYTES
    assert not re.search(r'[\x00-\x1f\x7f-\x9f<>:"|?*\\]', name)
    assert not PureWindowsPath(name).drive
    for part in name.split("/"):
        assert part.rstrip(". ") == part != ""
        assert part.partition(".")[0].rstrip().upper() not in DEVICES
