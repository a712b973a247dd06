"""Lines about a service: in the terminal, and among the server's output that pages show."""

from collections.abc import Callable

from httpprocessproxy.process import Output

# The prefix of the proxy's own lines in the server's output.
OUR_MARK = "http-process-proxy: "


class Reports:
    """Prints lines by `say`, and adds some of them to `output`."""

    def __init__(self, output: Output, say: Callable[[str], None]) -> None:
        self.say = say
        self._output = output
        self._has_reported_reloader = False

    def report(self, text: str) -> None:
        """Print why the server does not answer, and show it in pages as well."""
        self._output.remember(f"{OUR_MARK}{text}\n")
        self.say(text)

    def report_reloader(self, text: str) -> None:
        """Print once that the server has its own reloader."""
        if not self._has_reported_reloader:
            self._has_reported_reloader = True
            self.say(f"{text} (each save restarts the server twice, and hides a crash)")

    def tail(self) -> bytes:
        """The end of the server's output, without the proxy's lines."""
        lines = self._output.tail.splitlines(keepends=True)
        return b"".join(line for line in lines if not line.startswith(OUR_MARK.encode()))
