"""Fields of responses on their way through the real program: redirects, HSTS and caching."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from test.harness import Proxy, backend
from test.https import over_tls
