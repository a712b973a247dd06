"""Pieces of output, messages and switches, and what is printed for them. Without a terminal."""

import contextlib
import os
import struct
from collections.abc import Iterator

import pytest

from httpprocessproxy.process.message_printer import MessagePrinter
from httpprocessproxy.process.output_view import OutputView, ViewedStream
from httpprocessproxy.process.screen import ScreenState


class Viewed:
    """A view of the services, each with one stream to stdout; stderr goes to the same file."""

    def __init__(self, capfd: pytest.CaptureFixture[str], *services: str) -> None:
        self._capfd = capfd
        self.printer = MessagePrinter()
        self.view = OutputView(self.printer, lambda text: f"[{text}]")
        self.streams: dict[str, ViewedStream] = {}
        for fd, service in enumerate(services, 1000):
            self.view.labels.add(service)
            stream = ViewedStream(service, fd, self.printer.stdout, ScreenState())
            self.streams[service] = stream
            self.view.opened(stream)

    def copy(self, service: str, text: str) -> str:
        with one_file():
            self.view.copy(self.streams[service], text.encode())
        return self.printed()

    def show(self, service: str | None) -> str:
        with one_file():
            self.view.show(service)
        return self.printed()

    def announce(self, text: str, service: str | None, *, is_important: bool = False) -> str:
        with one_file():
            self.view.announce(text, service, is_important=is_important)
        return self.printed()

    def wait(self, *ready: str) -> str:
        """Print parts of lines that have waited; more of the `ready` streams can be read."""
        for stream in self.streams.values():
            stream.held_since = 0.0
        with one_file():
            self.view.waited([self.streams[service].fd for service in ready])
        return self.printed()

    def flush(self) -> str:
        with one_file():
            self.printer.flush()
        return self.printed()

    def printed(self) -> str:
        """The output on stdout and stderr since the last call."""
        return "".join(self._capfd.readouterr())


@contextlib.contextmanager
def one_file() -> Iterator[None]:
    """Both streams of the proxy go to one file, as in a terminal."""
    stderr_fd = os.dup(2)
    os.dup2(1, 2)
    try:
        yield
    finally:
        os.dup2(stderr_fd, 2)
        os.close(stderr_fd)


@pytest.fixture
def viewed(capfd: pytest.CaptureFixture[str]) -> Viewed:
    return Viewed(capfd, "db", "api")


def test_one_service_has_no_prefix(capfd: pytest.CaptureFixture[str]) -> None:
    one = Viewed(capfd, "db")
    assert one.copy("db", "half\x1b[2J") == "half\x1b[2J"
    assert one.view.timeout_s() is None
    assert one.announce("ours", "db") == ""
    assert one.flush() == "\nours\n"
    size = struct.pack("HHHH", 24, 80, 0, 0)
    assert one.view.fitted("db", size) == size


def test_lines_of_two_services_are_whole(viewed: Viewed) -> None:
    assert viewed.copy("db", "one\nha") == "db  | one\n"
    assert viewed.copy("api", "two\n") == "api | two\n"
    assert viewed.copy("db", "lf\n") == "db  | half\n"


def test_part_of_a_line_is_printed_after_a_while_unless_there_is_more(viewed: Viewed) -> None:
    viewed.copy("db", "ha")
    assert viewed.view.timeout_s() is not None
    assert viewed.wait("db") == ""
    assert viewed.wait() == "db  | ha"
    assert viewed.view.timeout_s() is None
    assert viewed.copy("db", "lf\n") == "lf\n", "no other line has come between"
    viewed.copy("db", "ha")
    viewed.wait()
    assert viewed.copy("api", "between\n") == "\napi | between\n"
    assert viewed.copy("db", "lf\n") == "db  | lf\n"


def test_time_of_a_part_begins_with_its_line(viewed: Viewed) -> None:
    viewed.copy("db", "1")
    viewed.streams["db"].held_since = 0.0
    viewed.copy("db", "2")
    assert viewed.streams["db"].held_since == 0.0
    viewed.copy("db", "\n3")
    assert viewed.streams["db"].held_since > 0


def test_service_alone_has_its_bytes_and_others_are_counted(viewed: Viewed) -> None:
    assert viewed.show("api") == "[api alone; 0 or Ctrl+] shows all]\n"
    assert viewed.copy("api", "\x1b[5;5Hha") == "\x1b[5;5Hha"
    assert viewed.copy("db", "one\ntwo\nth") == ""
    assert viewed.show("db") == (
        "\n[db alone; 0 or Ctrl+] shows all; lines hidden meanwhile: db 2]\nth"
    )
    assert viewed.show(None) == "\n[all services]\n"
    assert viewed.wait() == "db  | th\napi | ha", "unfinished lines may be prompts"


def test_part_of_a_line_that_waits_is_hidden_with_its_service(viewed: Viewed) -> None:
    viewed.copy("db", "ha")
    viewed.show("api")
    assert viewed.wait() == ""
    viewed.show(None)
    assert viewed.wait() == "db  | ha"


def test_line_about_a_hidden_service_is_printed_if_it_is_important(viewed: Viewed) -> None:
    assert viewed.announce("of all\n", None) == "of all\n"
    assert viewed.announce("two\nlines", "db") == "db  | two\ndb  | lines\n"
    viewed.show("api")
    assert viewed.announce("of all", None) == "of all\n"
    assert viewed.announce("own", "api") == "own\n"
    assert viewed.announce("two\nlines", "db") == ""
    assert viewed.announce("crash", "db", is_important=True) == "db  | crash\n"
    assert viewed.show(None).endswith("db 2]\n")


def test_line_of_the_proxy_comes_between_parts_of_a_line(viewed: Viewed) -> None:
    viewed.copy("db", "ha")
    viewed.wait()
    viewed.announce("ours", "api")
    assert viewed.flush() == "\napi | ours\n"
    assert viewed.copy("db", "lf\n") == "db  | lf\n"


def test_line_of_the_proxy_that_waits_comes_before_the_next_line(viewed: Viewed) -> None:
    viewed.copy("db", "ha")
    viewed.wait()
    assert viewed.announce("ours", "api") == ""
    assert viewed.copy("api", "one\ntwo\n") == "\napi | one\napi | ours\napi | two\n"


def test_closed_stream_prints_the_rest_of_its_line(viewed: Viewed) -> None:
    viewed.copy("db", "half")
    viewed.view.closed(viewed.streams["db"])
    assert viewed.printed() == "db  | half"
    assert viewed.copy("api", "next\n") == "\napi | next\n"


@pytest.mark.parametrize(
    ("columns", "narrow"), [(80, 74), (26, 20), (25, 24), (2, 1), (1, 1), (0, 0)]
)
def test_terminal_is_narrower_by_the_prefix(viewed: Viewed, columns: int, narrow: int) -> None:
    whole, fitted = (struct.pack("HHHH", 24, width, 3, 4) for width in (columns, narrow))
    assert viewed.view.fitted("db", whole) == fitted
    viewed.show("db")
    assert viewed.view.fitted("db", whole) == whole
    assert viewed.view.fitted("api", whole) == fitted


def test_modes_of_a_service_are_set_with_it_alone(viewed: Viewed) -> None:
    viewed.copy("db", "before\n\x1b[?1049h\x1b[?25linside")
    assert viewed.copy("db", "inside\n") == ""
    assert viewed.show("db").endswith("shows all]\n\x1b[?1049h\x1b[?25l")
    assert viewed.show(None) == "\n[all services]\n"
    assert viewed.wait() == "", "a full-screen program has no lines"
