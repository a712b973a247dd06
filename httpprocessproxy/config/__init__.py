"""Configuration: the command line, files and defaults, read into a `Config`.

`options.py` is the one table of options; `model.py` has the checked values that it leads to.
"""

from httpprocessproxy.config.model import AUTO, Address, Config, PingKind, WatcherName

__all__ = ["AUTO", "Address", "Config", "PingKind", "WatcherName"]
