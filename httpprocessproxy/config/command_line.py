"""The command line of the proxy; values of options that it lacks are left out."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from httpprocessproxy.config import readers
from httpprocessproxy.config.building import prefixed
from httpprocessproxy.config.forms import Kind, Option, choice, number, switch, text, within
from httpprocessproxy.config.model import Config, ServiceConfig
from httpprocessproxy.config.options import COMMAND, GROUPS, PLACES, PROGRAM
from httpprocessproxy.config.parser import Table, defaults_of, given
from httpprocessproxy.config.service_options import OF_ONE_SERVICE
from httpprocessproxy.core.errors import UserError

DESCRIPTION = """\
Stands between a browser and the web server you are developing: starts it,
restarts it when a file changes, holds requests until it answers again, and
reloads the browser. A save never costs a request.
"""

EPILOG = f"""\
BIND and BACKEND are PORT (of localhost), HOST:PORT, :PORT (all addresses) or
[IPv6]:PORT. Globs are relative to the working directory: ** is any number of
folders, * and ? and [] stay within a name, {{a,b}} is either. All options may
also be set in {PROGRAM}.toml or in pyproject.toml. Exit status: 2
for bad input, 128 + N when ended by signal N, 0 when ended by the key q. With
--status, --restart and --wait: 0 if the server runs, 1 in error, 3 neither,
4 if no proxy answers.

`hpp up` runs all services of a file behind one origin: see hpp up --help.
"""

SHELLS = ("bash", "fish", "zsh")

QUESTION_TIMEOUT_S = 60.0

_FILE = (
    text(
        "config",
        "FILE",
        f"read this file (default: {PROGRAM}.toml, or [tool.{PROGRAM}] in pyproject.toml)",
        Path,
    ),
    switch("no-config", "read no file", field="config", value=None),
)

_PRINT_CONFIG = switch(
    "print-config", "print the effective configuration, defaults included, as such a file"
)

_INSTEAD = (
    _PRINT_CONFIG,
    choice(
        "completion",
        f"print a script for the completion of options in a shell: {', '.join(SHELLS)}",
        *SHELLS,
        metavar="SHELL",
    ),
    switch(
        "trust",
        "make browsers on this machine trust the certificates of --tls; shows each step, and asks "
        "first",
    ),
    switch("yes", "answer yes to --trust"),
    *(
        switch(name, what, field="question", value=name)
        for name, what in (
            ("status", "print the state of the server behind the proxy at BIND"),
            ("restart", "restart that server, and wait until it runs"),
            ("wait", "wait until that server runs, or is in error"),
        )
    ),
    number("timeout", "S", "seconds --restart and --wait may take", readers.seconds),
    switch("json", "print the state as JSON"),
)

TABLE = Table(
    PROGRAM,
    DESCRIPTION,
    {"": PLACES, **GROUPS, "the configuration file": _FILE, "instead of running": _INSTEAD},
    {
        **defaults_of(Config),
        **prefixed("service", defaults_of(ServiceConfig)),
        "timeout": QUESTION_TIMEOUT_S,
    },
    EPILOG,
    "%(prog)s BIND BACKEND [OPTIONS] --exec COMMAND ...",
)

UP = Table(
    "hpp up",
    """\
Starts all services of a project behind one origin, or those that are named
with all that they need.
""",
    {
        "": (
            Option(
                Kind.ANY_PLACES,
                "what",
                "what",
                "FILE|NAME",
                f"a configuration file or a Procfile (default: {PROGRAM}.toml here or above), "
                "or names of services",
            ),
            *within("listen", text("bind", "BIND", "address of the proxy", readers.bind)),
        ),
        **{
            title: [option for option in group if option.name not in OF_ONE_SERVICE]
            for title, group in GROUPS.items()
        },
        "the configuration file": _FILE,
        "instead of running": [_PRINT_CONFIG],
    },
    TABLE.defaults,
    "Options are the defaults of all services, and win over those at the top of the file.\n",
    "%(prog)s [FILE|NAME ...] [OPTIONS]",
)


def read_up(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the words behind the verb `up`, as `read_line` does; `what` has files and names.

    Raises UserError, or SystemExit for --help and --version.
    """
    line = argparse.Namespace(**given(UP.parser().parse_intermixed_args(argv)))
    line.what = getattr(line, "what", None) or ()
    return line


def read_line(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line into the values that it sets, by the paths of their fields in `Config`.

    Raises UserError, or SystemExit for --help and --version.
    """
    # All words after --exec belong to the command, options included.
    at = argv.index("--exec") if "--exec" in argv else len(argv)
    # Intermixed: options may stand between BIND and BACKEND, and a file may set either.
    line = argparse.Namespace(**given(TABLE.parser().parse_intermixed_args(argv[:at])))
    for place in PLACES:
        if getattr(line, place.field, None) is None:
            vars(line).pop(place.field, None)
    if COMMAND.field in line:
        raise UserError("--exec takes the rest of the line: write a blank after it, not =")
    if argv[at:]:
        setattr(line, COMMAND.field, tuple(argv[at + 1 :]))
    return line
