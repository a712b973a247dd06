"""Many URLs as one streamed ZIP: a ticket that the site hands out, and the archive it stands for.

`origins.py` is what fetching and packing agree on, and comes first. `names.py` and `zipping.py`
are pure: what a member is called, and its bytes. `packing.py` makes a ZIP of what a fetcher
brings; `get.py` does it once, from a shell.
"""
