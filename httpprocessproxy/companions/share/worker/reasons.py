"""Why a connection could not be made or was lost, in words for a person."""

import os
import socket


def reason_of(error: Exception) -> str:
    """The system's words where there are any: asyncio has others, with addresses in them."""
    if isinstance(error, TimeoutError) and not error.errno:
        return "no answer in time"
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    # Of several addresses: what the last one said is as good as all of it.
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text.rpartition("] ")[2] or type(error).__name__
