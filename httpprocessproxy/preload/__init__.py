"""`--preload`: starts of a Python server that find everything imported already.

preloading.py decides, at each start, whether it is a warm one. keeping.py has a fork server ready
in the background for it. libraries.py watches what was imported, for a change makes that server
worthless. shelf.py keeps what a program imports for the next session. How processes are forked:
process/warm.
"""

from httpprocessproxy.preload.libraries import interpreter_of
from httpprocessproxy.preload.preloading import Preloading
from httpprocessproxy.preload.shelf import Shelf, cache_folder, key_of

__all__ = ["Preloading", "Shelf", "cache_folder", "interpreter_of", "key_of"]
