"""Streams many URLs as one ZIP: a client creates a ticket, and the ticket's id downloads the ZIP.

Read `origins.py` first: the interface between fetching and packing. `names.py` (member names) and
`zipping.py` (the ZIP format) are pure. `fetching.py` fetches items through the guarded HTTP
client, and `packing.py` writes them into a ZIP. `items.py` validates the JSON of a ticket,
`store/` keeps tickets in a database, and `service/` serves them over HTTP. `companion.py` runs the
service beside the proxy, `cli.py` as a program of its own, and `get.py` writes one archive from
the shell.
"""

from typing import Final

PROGRAM: Final = "http-process-archive"
