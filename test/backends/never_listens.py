"""A program that runs and never listens, like one that waits for its database."""

import signal

print("waiting for a database", flush=True)
signal.pause()
