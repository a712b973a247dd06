"""Prints a traceback and ends with status 3, as a program with a mistake in it does."""

import sys
import traceback

try:
    raise RuntimeError("no such table: <script>alert(1)</script>")
except RuntimeError:
    traceback.print_exc()
    sys.exit(3)
