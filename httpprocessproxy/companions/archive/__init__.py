"""Many URLs as one streamed ZIP: a ticket that the site hands out, and the archive it stands for.

`origins.py` is what fetching and packing agree on, and comes first. `names.py` and `zipping.py`
are pure: what a member is called, and its bytes. `fetching.py` brings items, through the guard of
outgoing URLs; `packing.py` makes a ZIP of them. `items.py` reads what a ticket is to stand for,
`store/` keeps tickets, `service/` hands them out. `companion.py` does so beside the proxy, `cli.py`
as a program with commands, `get.py` makes an archive once, from a shell.
"""

from typing import Final

PROGRAM: Final = "http-process-archive"
