"""Configuration: the command line, files and defaults, read into a `Config`.

`options.py` is the table of the proxy's options; `model.py` has the checked, frozen values. Each
program of the package has such a table of `forms.Option`, from which `parser.py` makes its command
line, its help and its defaults; all values are read by `readers.py`.

`service_options.py` has the keys of `[service.NAME]`, most of which are options as well. A file
(`config_file.py`, `procfile.py`) becomes services in `service_tables.py`, and contradictions among
them are found in `service_checks.py`. `resolving.py` merges the command line over the file.
"""

from httpprocessproxy.config.address import Address
from httpprocessproxy.config.model import (
    AUTO,
    NOWHERE,
    ArchiveConfig,
    BrowserConfig,
    ChainsConfig,
    Config,
    ListenConfig,
    Readiness,
    ReadinessKind,
    RestartConfig,
    ServiceConfig,
    ShareConfig,
    TerminalConfig,
    TlsConfig,
    WatchConfig,
    WatcherName,
)

__all__ = [
    "AUTO",
    "NOWHERE",
    "Address",
    "ArchiveConfig",
    "BrowserConfig",
    "ChainsConfig",
    "Config",
    "ListenConfig",
    "Readiness",
    "ReadinessKind",
    "RestartConfig",
    "ServiceConfig",
    "ShareConfig",
    "TerminalConfig",
    "TlsConfig",
    "WatchConfig",
    "WatcherName",
]
