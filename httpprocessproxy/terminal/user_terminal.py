"""The user's terminal: the output of services, the proxy's lines, and keys."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from httpprocessproxy.config import Config
from httpprocessproxy.events import EventBus, Notice, OutputPrinted
from httpprocessproxy.process import (
    InputWaits,
    Keyboard,
    Output,
    OutputCopier,
    OutputText,
    ProcessTrees,
    Terminal,
)
from httpprocessproxy.system.event_loop import call_from_thread
from httpprocessproxy.terminal.browser import urls
from httpprocessproxy.terminal.console import Console, answer
from httpprocessproxy.terminal.shortcuts import KEYS, SHOW_ALL, Shortcuts, keys_of_services


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
    shortcuts, keys = Shortcuts(), keys_of_services(config)
    with ExitStack() as stack:
        services = {key: service for service, key in keys.items()}

        def pressed(key: str) -> None:
            if key == SHOW_ALL or key in services:
                copier.show(services.get(key))
            else:
                shortcuts.press(key)

        keyboard = None
        if keys or Keyboard.is_usable():
            digits = (SHOW_ALL, *services) if keys else ()
            keyboard = Keyboard((*KEYS, *digits), pressed, trees.processes)
        waits = None
        if keys and Keyboard.is_usable():
            waits = InputWaits(trees.processes, _reporter(keys, bus))
        copier = OutputCopier(keyboard, waits, partial(answer, config.terminal))
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


def _reporter(keys: Mapping[str, str], bus: EventBus) -> Callable[[str], None]:
    """Report a service that waits for input, by name; any thread may call it."""
    loop = asyncio.get_running_loop()

    def publish(service: str) -> None:
        key = keys.get(service)
        text = "waits for input" if key is None else f"waits for input: press {key}"
        bus.publish(Notice(service=service, text=text))

    return lambda service: call_from_thread(loop, publish, service)


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
