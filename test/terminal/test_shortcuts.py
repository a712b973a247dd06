"""Keys trigger actions on the event loop, from any thread."""

import asyncio
import threading

from httpprocessproxy.terminal.shortcuts import KEYS, Shortcuts, help_text


def test_key_acts_on_the_loop() -> None:
    acted: list[tuple[str, bool]] = []

    async def main() -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        shortcuts = Shortcuts()

        def act(key: str) -> None:
            acted.append((key, asyncio.get_running_loop() is loop))
            if key == "?":
                done.set()

        shortcuts.press("r")  # no action yet: does nothing
        await asyncio.sleep(0)
        with shortcuts.acting({key: lambda key=key: act(key) for key in KEYS}):  # type: ignore[misc]
            thread = threading.Thread(target=lambda: [*map(shortcuts.press, KEYS)])
            thread.start()
            await done.wait()
            thread.join()
        shortcuts.press("r")  # no action any more
        await asyncio.sleep(0)

    asyncio.run(main())
    assert acted == [(key, True) for key in KEYS]


def test_key_after_the_loop_is_closed_does_nothing() -> None:
    async def make() -> Shortcuts:
        return Shortcuts()

    asyncio.run(make()).press("r")


def test_help_has_every_key() -> None:
    shown = help_text({})
    assert all(f"  {key}  {does}" in shown for key, does in KEYS.items())
    assert max(map(len, shown.splitlines())) <= 80


def test_help_has_the_keys_of_services() -> None:
    shown = help_text({"db": "1", "api": "2"}).splitlines()
    assert [line[:5] for line in shown[:-1]] == [f"  {key}  " for key in "rocq?120"]
    assert "  2  show api alone" in shown
    assert max(map(len, shown)) <= 80
