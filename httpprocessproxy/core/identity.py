"""The names of services, and the identity of one run of a service's process."""

from typing import Final, NamedTuple

# The service of a command line without services.
DEFAULT_SERVICE: Final = "web"


_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")


def is_service_name(text: str) -> bool:
    """Whether a text has the form of a service's name: a label of a host name, or nearly so."""
    return bool(text) and _CHARACTERS.issuperset(text)


class GenerationId(NamedTuple):
    """A generation: the name of its service, and its number, which counts from 1 per service.

    Numbers of two services coincide, so connections and targets are compared by both members.
    """

    service: str
    number: int

    def __str__(self) -> str:
        return f"{self.service} {self.number}"
