"""The reason of a failed or lost connection, as a text for log lines and pages."""

import os
import socket


def reason_of(error: Exception) -> str:
    """The system's text of an error number, if any: asyncio's own texts contain addresses."""
    if isinstance(error, TimeoutError) and not error.errno:
        return "no answer in time"
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    # After several addresses failed, the error of the last one stands for all.
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text.rpartition("] ")[2] or type(error).__name__
