"""Load on the program while its files are saved."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from test.deadline import PATIENCE_S
from test.harness import Proxy

SAVES = 30


@contextmanager
def workers(count: int, work: Callable[[int, threading.Event], None]) -> Iterator[None]:
    """Run `work(number, done)` in threads until the block ends; raises their first error."""
    done = threading.Event()
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number, done)
        except BaseException as error:  # noqa: BLE001 - re-raised in the thread of the test
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join(PATIENCE_S)
    if failures:
        raise failures[0]


def save_often(proxy: Proxy, saves: int = SAVES) -> None:
    """Save one version after another, some of them during the start of the last."""
    for number in range(1, saves + 1):
        if number % 3 == 0:
            proxy.save("version", str(number))
        else:
            with proxy.restart():
                proxy.save("version", str(number), by="rename")
    proxy.wait_state("running", after=proxy.status()["generation"] - 1)
