"""The user's terminal: the server's output, the proxy's lines, and keys."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from httpprocessproxy.config import Config
from httpprocessproxy.events import EventBus, OutputPrinted
from httpprocessproxy.process import Keyboard, Output, OutputText, ProcessTrees, Terminal
from httpprocessproxy.terminal.browser import urls
from httpprocessproxy.terminal.console import Console
from httpprocessproxy.terminal.shortcuts import KEYS, Shortcuts


@dataclass(frozen=True, slots=True)
class UserTerminal:
    """`pty` is the server's own terminal, if the proxy runs in one."""

    output: Output
    pty: Terminal | None
    console: Console
    shortcuts: Shortcuts
    text: OutputText

    def tail(self) -> str:
        """The end of the server's output, for pages.

        Output that waits to be published is flushed first: otherwise it would reach a page twice.
        """
        self.text.flush()
        return self.output.tail.decode(errors="replace")


@contextmanager
def open_terminal(config: Config, bus: EventBus, trees: ProcessTrees) -> Iterator[UserTerminal]:
    """Print the server's output and the events of `bus`, and publish the output there."""

    def publish(stream: str, text: str) -> None:
        name = config.services[0].name
        bus.publish(OutputPrinted(service=name, stream=stream, text=text), keep=False)

    text = OutputText(asyncio.get_running_loop(), lambda: bus.is_wanted(OutputPrinted), publish)
    shortcuts = Shortcuts()
    with ExitStack() as stack:
        keyboard = None
        if Keyboard.is_usable():
            keyboard = Keyboard(KEYS, shortcuts.press, trees.processes)
        output = stack.enter_context(Output(text.take, keyboard))
        output.remind_of(_reminder(config))
        pty = stack.enter_context(Terminal(output)) if Terminal.is_usable() else None
        has_keys = keyboard is not None and pty is not None
        console = Console(config, output.write, has_keys=has_keys)
        stack.enter_context(console.listening(bus))
        yield UserTerminal(output, pty, console, shortcuts, text)


def _reminder(config: Config) -> str:
    """The lines to print again after the server has cleared the screen."""
    if config.terminal.quiet or config.terminal.json_logs:
        return ""
    return "\n".join(f"  open        {url}" for url in urls(config.listen.bind, config.scheme))
