"""The user's terminal: the output of services, the proxy's lines, and keys."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from httpprocessproxy.config import Config
from httpprocessproxy.events import EventBus, OutputPrinted
from httpprocessproxy.process import (
    Keyboard,
    Output,
    OutputCopier,
    OutputText,
    ProcessTrees,
    Terminal,
)
from httpprocessproxy.terminal.browser import urls
from httpprocessproxy.terminal.console import Console
from httpprocessproxy.terminal.shortcuts import KEYS, Shortcuts


@dataclass(frozen=True, slots=True)
class UserTerminal:
    """`outputs` has the output of each service; `pty` makes their terminals, if this is one."""

    copier: OutputCopier
    outputs: Mapping[str, Output]
    pty: Terminal | None
    console: Console
    shortcuts: Shortcuts


@contextmanager
def open_terminal(config: Config, bus: EventBus, trees: ProcessTrees) -> Iterator[UserTerminal]:
    """Print the output of services and the events of `bus`, and publish the output there."""
    shortcuts = Shortcuts()
    with ExitStack() as stack:
        keyboard = None
        if Keyboard.is_usable():
            keyboard = Keyboard(KEYS, shortcuts.press, trees.processes)
        copier = OutputCopier(keyboard)
        outputs = {
            service.name: copier.add(service.name, _text(service.name, bus))
            for service in config.services
        }
        stack.enter_context(copier)
        copier.remind_of(_reminder(config))
        pty = stack.enter_context(Terminal(copier)) if Terminal.is_usable() else None
        has_keys = keyboard is not None and pty is not None
        console = Console(config, copier.write, has_keys=has_keys)
        stack.enter_context(console.listening(bus))
        yield UserTerminal(copier, outputs, pty, console, shortcuts)


def _text(service: str, bus: EventBus) -> OutputText:
    """Publish the output of a service, for web pages."""

    def publish(stream: str, text: str) -> None:
        bus.publish(OutputPrinted(service=service, stream=stream, text=text), keep=False)

    loop = asyncio.get_running_loop()
    return OutputText(loop, lambda: bus.is_wanted(OutputPrinted), publish)


def _reminder(config: Config) -> str:
    """The lines to print again after the server has cleared the screen."""
    if config.terminal.quiet or config.terminal.json_logs:
        return ""
    return "\n".join(f"  open        {url}" for url in urls(config.listen.bind, config.scheme))
