"""Runs, and never listens: a program that waits for its database."""

import signal

print("waiting for a database", flush=True)
signal.pause()
