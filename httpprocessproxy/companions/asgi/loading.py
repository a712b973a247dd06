"""From MODULE:APP to the application. What its module raises is left as it is, for its author."""

import importlib
import inspect

from httpprocessproxy.companions.asgi.interface import Application
from httpprocessproxy.config.readers import application_or_off
from httpprocessproxy.core.errors import UserError


def load(text: str, *, is_factory: bool) -> Application:
    """Import an application; `is_factory` calls what was imported. Raises UserError."""
    if application_or_off(text) is None:
        raise UserError(f"not an application: {text!r} (write MODULE:APP)")
    module_name, _, path = text.partition(":")
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # it is there, and misses another
        raise UserError(f"there is no module {error.name!r} here") from error
    for name in path.split("."):
        if not hasattr(found, name):
            raise UserError(f"{module_name!r} has no {path!r}")
        found = getattr(found, name)
    if not callable(found):
        raise UserError(f"{text} cannot be called: it is no application")
    application = found() if is_factory else found
    if not _takes_events(application):
        hint = "is it a factory? then add --factory" if not is_factory else "it is no application"
        raise UserError(f"{text} does not take scope, receive and send: {hint}")
    return application


def _takes_events(application: object) -> bool:
    if not callable(application):
        return False
    try:
        inspect.signature(application).bind(None, None, None)
    except TypeError:
        return False
    except ValueError:  # of an extension, which does not tell
        return True
    return True
