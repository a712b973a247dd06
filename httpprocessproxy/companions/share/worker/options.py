"""The options of a share, parsed into the settings of a worker."""

import os
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from yarl import URL

from httpprocessproxy.companions.share.worker.policy import Allowed, Credentials
from httpprocessproxy.companions.share.worker.settings import WorkerSettings
from httpprocessproxy.config.readers import file_text
from httpprocessproxy.core.errors import UserError

T = TypeVar("T")

# Lists of words for random names: celestial, natural, animals, colours, food.
_WORDS: Final = (
    "moon sun star comet nova orbit eclipse meteor planet galaxy dawn dusk zenith aurora sky",
    "river forest meadow canyon island valley glacier harbor desert lagoon prairie summit reef",
    "otter heron lynx badger falcon gecko marmot walrus bison raven tapir ibex puffin stoat koala "
    "crane",
    "amber azure coral crimson indigo ivory jade khaki lilac mauve ochre olive pearl ruby teal "
    "violet",
    "bread mango honey olive pepper walnut ginger cocoa barley lemon noodle papaya quince radish "
    "sesame toast",
)


@dataclass(frozen=True, slots=True)
class ShareOptions:
    """The options of a share as texts. `relay` is a valid URL; "" marks an unset option."""

    relay: str
    name: str = ""
    token_file: Path | None = None
    auth: str = ""
    allow: Sequence[str] = ()

    def settings(self) -> WorkerSettings:
        """Parse the options. Raises UserError."""
        name, token = _read_token(self.token_file)
        name = self.name or name or _name_of_first_worker() or random_name()
        if not name.isascii() or not name.replace("-", "").replace(".", "").isalnum():
            raise UserError(f"not a name: {name[:100]!r} (for example demo, or demo.example.org)")
        return WorkerSettings(
            URL(self.relay),
            name.lower(),
            token,
            _read("--share-auth", Credentials.parse, self.auth) if self.auth else None,
            tuple(_read("--share-allow", Allowed.parse, rule) for rule in self.allow),
        )


def _name_of_first_worker() -> str:
    """The name in FPW_HOST, the variable of the protocol's first worker, without its port."""
    return os.environ.get("FPW_HOST", "").partition(":")[0]


def random_name() -> str:
    """A random name of five words, easy to say, for a share without a name.

    The name is not a secret: a client can soon try all million names. `--share-auth` restricts
    access.
    """
    return "-".join(random.choice(words.split()) for words in _WORDS)


def _read(option: str, read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except UserError as error:
        raise UserError(f"{option}: {error}") from None


def _read_token(path: Path | None) -> tuple[str, str]:
    """Read the name, or "", and the token from a file of one line: TOKEN, or NAME TOKEN.

    Without a file return a random token, for relays that accept any token. Raises UserError.
    """
    if path is None:
        return "", secrets.token_hex(8)
    lines = file_text(path).split("\n")
    words = [words for line in lines if (words := line.partition("#")[0].split())]
    if len(words) != 1 or len(words[0]) > 2:
        raise UserError(f"{path}: write one line, TOKEN or NAME TOKEN")
    *name, token = words[0]
    if token.lower().startswith("sha256:") or not token.isascii() or not token.isprintable():
        raise UserError(f"{path}: write the token itself, in ASCII, and not its hash")
    return name[0] if name else "", token
