"""Requests to servers that others name: nobody makes us call where the user has not allowed it.

`origin.py` says what an origin is, `addresses.py` which addresses are the public's, `guard.py`
joins both into a yes or no, `resolving.py` and `client.py` hold to it: what was checked is what is
connected to, and each redirect is checked again. `fields.py` says which fields others may choose.
"""

from httpprocessproxy.companions.fetch_client.client import Outgoing, SiteAddress, Timeouts
from httpprocessproxy.companions.fetch_client.fields import check_fields
from httpprocessproxy.companions.fetch_client.guard import OriginGuard, Refused
from httpprocessproxy.companions.fetch_client.origin import FetchOrigin

__all__ = [
    "FetchOrigin",
    "OriginGuard",
    "Outgoing",
    "Refused",
    "SiteAddress",
    "Timeouts",
    "check_fields",
]
