"""Requests to servers that others name: nobody makes us call where the user has not allowed it.

`origin.py` says what an origin is, `addresses.py` which addresses are the public's, `guard.py`
joins both into a yes or no, `resolving.py` and `client.py` hold to it: what was checked is what is
connected to, and each redirect is checked again. `fields.py` says which fields others may choose.
"""

from httpprocessproxy.outgoing.client import Outgoing, Site, Timeouts
from httpprocessproxy.outgoing.fields import check_fields
from httpprocessproxy.outgoing.guard import Guard, Refused
from httpprocessproxy.outgoing.origin import Origin

__all__ = ["Guard", "Origin", "Outgoing", "Refused", "Site", "Timeouts", "check_fields"]
