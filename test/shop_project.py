"""A project of services at one origin: a site, the API of its pages, and a worker.

The proxy does not start a fourth one, `docs`, which has a host of its own.
"""

import sys
from pathlib import Path

from test.harness import Project, backend
from test.whole.client.site import code

CRASH = "import sys; print('\\x1b[31mapi is broken\\x1b[m'); sys.exit('views.py:3: broken')"
WORKER = "import time; print('working', flush=True); time.sleep(3600)\n"


def shop(project: Path, more: str = "") -> Project:
    """`web` serves the pages of web/page.py, and `api` those of api/page.py, below /api.

    A save of shared.py concerns all three; `more` are further lines of the file.
    """
    for name in ("web", "api"):
        (project / name).mkdir(parents=True, exist_ok=True)
    (project / "shared.py").touch()
    (project / "worker.py").write_text(WORKER)
    (project / "web" / "page.py").write_text(code("first"))
    (project / "api" / "page.py").write_text(code("api"))
    site = " ".join(backend("page_site.py"))
    return Project(
        project,
        f"""{more}
[service.web]
exec = "{site}"
dir = "web"
route = "/**"
watch = ["web/*.py", "shared.py"]
refresh = "web/*.css"

[service.api]
exec = "{site}"
dir = "api"
route = "/api/**"
strip = true
watch = ["api/*.py", "shared.py"]

[service.worker]
exec = "{sys.executable} worker.py"
watch = ["worker.py", "shared.py"]

[service.docs]
address = "127.0.0.1:9"
route = "docs.localhost"
""",
    )
