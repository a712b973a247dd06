"""A development proxy that restarts a web server when a file changes.

Start reading at `core/state.py`: it holds the machine, the rest obeys it.
"""

__version__ = "1.0.0"
