"""The import of an application from MODULE:APP.

An exception of the imported module is not caught, so that its author sees the traceback.
"""

import importlib
import inspect

from httpprocessproxy.asgi.interface import Application
from httpprocessproxy.config import readers
from httpprocessproxy.core.errors import UserError


def load(text: str, *, is_factory: bool) -> Application:
    """Import an application, or with `is_factory` call the imported factory. Raises UserError."""
    module_name, _, path = readers.application(text).partition(":")
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module itself exists, and imports one that does not
        raise UserError(f"there is no module {error.name!r} here") from error
    for name in path.split("."):
        if not hasattr(found, name):
            raise UserError(f"{module_name!r} has no {path!r}")
        found = getattr(found, name)
    if not callable(found):
        raise UserError(f"{text} cannot be called: it is not an application")
    application = found() if is_factory else found
    if not _takes_events(application):
        hint = "it is not an application" if is_factory else "is it a factory? then add --factory"
        raise UserError(f"{text} does not take scope, receive and send: {hint}")
    return application


def _takes_events(application: object) -> bool:
    """Whether an object can be called with scope, receive and send."""
    if not callable(application):
        return False
    try:
        inspect.signature(application).bind(None, None, None)
    except TypeError:
        return False
    except ValueError:  # a callable of an extension module has no signature
        return True
    return True
