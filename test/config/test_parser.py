"""A table of options: the values of a command line, the defaults, and --help."""

from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from httpprocessproxy.asgi.command import OPTIONS as ASGI
from httpprocessproxy.asgi.command import AsgiOptions
from httpprocessproxy.companions.archive.keys import DEFAULTS
from httpprocessproxy.companions.archive.keys import OPTIONS as ARCHIVE
from httpprocessproxy.companions.share.relay.cli import OPTIONS as RELAY
from httpprocessproxy.companions.share.relay.settings import RelaySettings
from httpprocessproxy.companions.share.worker.cli import OPTIONS as SHARE
from httpprocessproxy.companions.share.worker.settings import WorkerSettings
from httpprocessproxy.config import Config, readers
from httpprocessproxy.config.command_line import TABLE as TABLE_OF_PROXY
from httpprocessproxy.config.forms import (
    Kind,
    Option,
    choice,
    flag,
    globs,
    number,
    place,
    required,
    seconds,
    size,
    switch,
    text,
    values,
    words,
)
from httpprocessproxy.config.options import OPTIONS as PROXY
from httpprocessproxy.config.parser import Table, defaults_of, made
from httpprocessproxy.core.errors import UserError


@dataclass(frozen=True)
class Shop:
    address: str
    goods: tuple[str, ...] = ()
    open: bool = True
    loud: bool = False
    wait_s: float = 1.5
    settle_s: float = 0.25
    stock_bytes: int = 3 * 1024**2
    doors: int = 2
    key: Path | None = None
    colours: tuple[str, ...] = ("red", "blue")
    names: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    style: str = "old"


OPTIONS = (
    required(place("address", "where it is")),
    Option(Kind.PLACES, "goods", "goods", "GOOD", "a good"),
    flag("open", "open it"),
    switch("loud", "play music"),
    seconds("wait", "a customer waits"),
    number("settle", "MS", "dust settles", readers.milliseconds, field="settle_s"),
    size("stock", "room for goods"),
    number("doors", "N", "doors (default: {default}, and a gate)", readers.count),
    text("key", "FILE", "a key", readers.file_or_off),
    words("colours", "COLOUR", "paint"),
    values("name", "NAME", "names of clerks", field="names"),
    globs("files", "books (default: all)", aliases=("-f",)),
    choice("style", "style of the house", "old", "new", metavar="STYLE"),
)
TABLE = Table("shop", "A shop.", {"": OPTIONS[:4], "more": OPTIONS[4:]}, defaults_of(Shop))


def parse(*words: str) -> Shop:
    return made(Shop, vars(TABLE.parse(words)))


def test_line_without_options_has_the_defaults() -> None:
    assert parse("here", "bread") == Shop("here", ("bread",))


def test_each_kind_of_option_sets_its_field() -> None:
    shop = parse(
        *("here", "bread", "milk", "--no-open", "--loud", "--wait", "2", "--settle", "3"),
        *("--stock", "4k", "--doors", "5", "--key", "k", "--colours", "green, white"),
        *("--colours", "grey", "--name", "a b", "--name", "c", "-f", "d", "e", "--style", "new"),
    )
    assert shop == Shop(
        "here",
        ("bread", "milk"),
        open=False,
        loud=True,
        wait_s=2,
        settle_s=0.003,
        stock_bytes=4096,
        doors=5,
        key=Path("k"),
        colours=("green", "white", "grey"),
        names=("a b", "c"),
        files=("d", "e"),
        style="new",
    )


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("here",), "the following arguments are required: GOOD (see --help)"),
        (("here", "x", "--wait", "y"), "argument --wait: not a time: 'y' (a number of seconds, "),
        (("here", "x", "--stile", "y"), "--stile y: did you mean --style?"),
        (("here", "x", "--doors", "0"), "argument --doors: not a number: '0' (1 or more)"),
    ],
)
def test_mistake_is_one_line(words: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(UserError) as raised:
        parse(*words)
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_switches_of_one_field_exclude_each_other() -> None:
    pair = tuple(switch(name, name, field="question", value=name) for name in ("ask", "tell"))
    table = Table("shop", "", {"": pair}, {})
    assert table.parse(["--ask"]).question == "ask"
    with pytest.raises(UserError, match="not allowed with argument --ask"):
        table.parse(["--ask", "--tell"])


def test_help_shows_each_default_in_the_form_that_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        parse("--help")
    shown = {line.strip() for line in capsys.readouterr().out.splitlines()}
    assert {
        "open it (default: on)",
        "--loud                play music",
        "--wait S              a customer waits (default: 1.5)",
        "--settle MS           dust settles (default: 250)",
        "--stock BYTES         room for goods (default: 3M)",
        "--doors N             doors (default: 2, and a gate)",
        "--key FILE            a key (default: off)",
        "--colours COLOUR      paint (default: red and blue)",
        "--name NAME           names of clerks (default: none)",
        "--style STYLE         style of the house (default: old)",
    } <= shown | {line.partition("  ")[2].strip() for line in shown}


def test_help_shows_no_default_of_a_required_option(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("shop", "", {"": (required(text("style", "STYLE", "its look")),)}, {"style": 1})
    with pytest.raises(SystemExit):
        table.parse(["--help"])
    assert "its look\n" in capsys.readouterr().out


def test_default_of_a_nested_dataclass_has_the_path_of_its_field() -> None:
    @dataclass(frozen=True)
    class Street:
        shop: Shop
        name: str = "High Street"

    nested = {f"shop.{field}": default for field, default in defaults_of(Shop).items()}
    assert defaults_of(Street) == {"name": "High Street", **nested}
    assert nested["shop.style"] == "old"


@pytest.mark.parametrize(
    ("count_bytes", "shown"),
    [(0, "0"), (1, "1"), (1024, "1K"), (1536, "1536"), (5 * 1024**3, "5G")],
)
def test_size_is_written_in_the_largest_unit_that_divides_it(count_bytes: int, shown: str) -> None:
    assert readers.size_text(count_bytes) == shown
    assert readers.size(shown) == count_bytes


ALL = {
    "proxy": (PROXY, TABLE_OF_PROXY.defaults),
    "relay": (RELAY, defaults_of(RelaySettings)),
    "share": (SHARE, defaults_of(Config, WorkerSettings)),
    "archive": (ARCHIVE, DEFAULTS),
    "asgi": (ASGI, defaults_of(AsgiOptions)),
}


@pytest.mark.parametrize("program", ALL)
def test_help_text_does_not_repeat_a_default(program: str) -> None:
    options, defaults = ALL[program]
    for option in options:
        shown = str(option.plain(defaults.get(option.field, "")))
        assert not shown or f"(default: {shown})" not in option.help, option.name


@pytest.mark.parametrize(("program", "part"), [("relay", RelaySettings), ("asgi", AsgiOptions)])
def test_every_value_of_a_program_has_an_option(program: str, part: type) -> None:
    assert {option.field for option in ALL[program][0]} == {field.name for field in fields(part)}
