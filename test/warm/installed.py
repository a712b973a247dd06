"""Programs with libraries that a fork server must treat specially, or must not preload at all."""

from test.warm.program import Program

INSTALLED = {
    "module that is imported as well as run": Program(
        {
            "site/box/__init__.py": "",
            "site/box/tool.py": "import sys, json\nif __name__ == '__main__':\n    import user",
            "site/user.py": "import box.tool as tool\nprint(tool.__name__, tool.json.__name__)",
        },
        ("{python}", "-m", "box.tool"),
    ),
    "sitecustomize": Program(
        {
            "site/sitecustomize.py": "import builtins, json\nbuiltins.mark = 'set'\nprint(1)",
            "site/library.py": "print(mark)",
            "main.py": "import library\nprint(mark)",
        }
    ),
    "random.py in the project": Program(
        {
            "site/library.py": "import random, decimal\nprint(random.__file__)",
            "random.py": "VERSION = 1\n",
            "main.py": "import library, random\nprint(random.VERSION)",
        },
        changed={"random.py": "VERSION = 22\n"},
    ),
    "library that imports the project": Program(
        {
            "site/library.py": "import json\ntry:\n    import settings\nexcept ImportError:\n"
            "    settings = None\nprint(settings.VERSION)",
            "site/careless.py": "try:\n    import settings\nexcept:\n    settings = None\n"
            "print(settings.VERSION)",
            "settings.py": "VERSION = 1",
            "main.py": "import decimal, library, careless",
        },
        changed={"settings.py": "VERSION = 22"},
    ),
    "path added at runtime": Program(
        {
            "site/library.py": "VERSION = 'installed'\n",
            "vendor/library.py": "import json; VERSION = 1",
            "site/user.py": "import library; print(library.VERSION)",
            "main.py": "import sys, decimal\nsys.path.insert(0, 'vendor')\nimport user, library\n"
            "print(library.VERSION)",
        },
        changed={"vendor/library.py": "import json; VERSION = 22"},
    ),
    "editable install": Program(
        {
            "site/mine.pth": "{project}/src\n",
            "src/mine/__init__.py": "VERSION = 1",
            "site/plugin.py": "import mine, decimal\nprint(mine.VERSION)",
            "main.py": "import mine, plugin\nprint(mine.VERSION)",
        },
        changed={"src/mine/__init__.py": "VERSION = 22"},
    ),
    "editable install by a finder": Program(
        {
            "site/mine.pth": "import _mine_finder\n",
            "site/_mine_finder.py": """
import importlib.util, sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "mine":
            return importlib.util.spec_from_file_location(name, "{project}/src/mine.py")
sys.meta_path.append(Finder)
""",
            "src/mine.py": "VERSION = 1",
            "site/plugin.py": "import mine, decimal\nprint(mine.VERSION)",
            "main.py": "import plugin",
        },
        changed={"src/mine.py": "VERSION = 22"},
    ),
    "namespace package": Program(
        {
            "site/space/installed/__init__.py": "import json; VERSION = 'installed'",
            "space/own.py": "VERSION = 1",
            "main.py": "import space.installed, space.own\n"
            "print(space.installed.VERSION, space.own.VERSION, list(space.__path__))",
        },
        changed={"space/own.py": "VERSION = 22"},
    ),
    "extended package": Program(
        {
            "site/wide/__init__.py": "from pkgutil import extend_path\n"
            "__path__ = extend_path(__path__, __name__)",
            "site/wide/installed.py": "import json",
            "extra/wide/__init__.py": "",
            "extra/wide/own.py": "VERSION = 1",
            "site/user.py": "import wide.installed, wide.own\nprint(wide.own.VERSION)",
            "main.py": "import sys\nsys.path.append('extra')\nimport user",
        },
        changed={"extra/wide/own.py": "VERSION = 22"},
    ),
    "thread at import": Program(
        {
            "site/library.py": "import threading\nevent = threading.Event()\n"
            "threading.Thread(target=event.wait, daemon=True).start()",
            "site/user.py": "import decimal, library",
            "main.py": "import threading, user\nprint(threading.active_count())",
        }
    ),
    "descriptor at import": Program(
        {
            "site/library.py": "import os\nfile = open(os.devnull)",
            "main.py": "import os, decimal, library\nprint(library.file.fileno())\n"
            "print([fd for fd in os.listdir('/proc/self/fd') if int(fd) < 10])",
        }
    ),
    "process at import": Program(
        {
            "site/library.py": "import subprocess\ncat = subprocess.Popen(['cat'], stdin=-1)",
            "main.py": "import json, library\nlibrary.cat.stdin.close()\nprint(library.cat.wait())",
        }
    ),
    "logging at import": Program(
        {
            "site/library.py": "import logging, sys\n"
            "logging.basicConfig(format='%(levelname)s %(message)s', level=10)\n"
            "logging.getLogger('library').info('imported')\n"
            "handler = logging.StreamHandler(sys.stdout)\nlogging.getLogger().addHandler(handler)",
            "main.py": "import library, logging, time\nlogging.warning('main')\n"
            "record = logging.LogRecord('a', 1, 'a', 1, 'a', (), None)\n"
            "print(0 <= record.relativeCreated < 5000, record.processName)",
        }
    ),
    "module that is another's name": Program(
        {
            "site/library.py": "import sys, json\nsys.modules['library.alias'] = json",
            "main.py": "import library, os.path, library.alias as alias\nprint(alias.__name__)",
        }
    ),
    "import that needs settings": Program(
        {
            "site/settings_first.py": "configured = False",
            "site/library.py": "import settings_first\n"
            "if not settings_first.configured: raise RuntimeError('configure me')\nprint('loaded')",
            "main.py": "import settings_first\nsettings_first.configured = True\nimport library",
        }
    ),
}
