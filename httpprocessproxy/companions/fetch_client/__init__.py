"""An HTTP client for URLs from untrusted sources: it connects only to origins the user allowed.

`origin.py` normalizes origins, `addresses.py` classifies IP addresses as public or private, and
`guard.py` decides from both. `resolving.py` and `client.py` enforce the decision: the client
connects to exactly the addresses that were checked, and checks every redirect. `fields.py` lists
the request header fields that an untrusted source may set.
"""

from httpprocessproxy.companions.fetch_client.client import Outgoing, SiteAddress, Timeouts
from httpprocessproxy.companions.fetch_client.fields import check_fields
from httpprocessproxy.companions.fetch_client.guard import OriginGuard, Refused
from httpprocessproxy.companions.fetch_client.origin import FetchOrigin, read_origin

__all__ = [
    "FetchOrigin",
    "OriginGuard",
    "Outgoing",
    "Refused",
    "SiteAddress",
    "Timeouts",
    "check_fields",
    "read_origin",
]
