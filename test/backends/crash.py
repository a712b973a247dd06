"""A program with a bug: prints a traceback and ends with status 3."""

import sys
import traceback

try:
    raise RuntimeError("no such table: <script>alert(1)</script>")
except RuntimeError:
    traceback.print_exc()
    sys.exit(3)
