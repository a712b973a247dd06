"""Configuration: the command line, files and defaults, read into a `Config`.

`options.py` is the one table of options; `model.py` has the checked, frozen values.
"""

from httpprocessproxy.config.model import AUTO, Address, Config, PingKind, WatcherName

__all__ = ["AUTO", "Address", "Config", "PingKind", "WatcherName"]
