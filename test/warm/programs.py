"""Small programs, each about one property that might differ between a fork and a fresh process.

Their output must be the same in a cold, a recorded and a warm start. Files whose names begin with
`site/` are installed, all others are the project's.
"""

from test.warm.installed import INSTALLED
from test.warm.program import Program

LIBRARY = "import decimal, json, logging, random\nVERSION = 1\n"

PROGRAMS = {
    **INSTALLED,
    "plain": Program(
        {
            "site/library.py": LIBRARY,
            "main.py": """
import os, signal, sys
import library
print(sorted((name, repr(value).split(" at ")[0]) for name, value in globals().items()))
print(sys.argv, sys.path, sys.executable, sys.prefix, sys.flags, getattr(sys, "orig_argv", 0))
print(sorted(os.environ.items()), os.getcwd(), os.getsid(0) == os.getpgrp() == os.getpid())
print([str(signal.getsignal(n)) for n in signal.valid_signals()], signal.pthread_sigmask(0, ()))
print([fd for fd in os.listdir("/proc/self/fd") if int(fd) < 10], os.umask(0), sys.gettrace())
print(sys.meta_path, sys.path_hooks, __import__("gc").isenabled())
for stream in sys.stdin, sys.stdout, sys.stderr:
    print(stream, stream.line_buffering, stream.write_through, stream.seekable(), stream.isatty())
print(sys.excepthook, sys.getrecursionlimit(), sys.dont_write_bytecode)
""",
        },
    ),
    "module": Program(
        {
            "site/library.py": LIBRARY,
            "pkg/__init__.py": "print(__name__, __file__)",
            "pkg/app.py": """
import sys, library
from . import other
print(__name__, __package__, __spec__.name, __file__, sys.argv, sys.path[0], other.VERSION)
1 / 0
""",
            "pkg/other.py": "VERSION = 1",
        },
        ("{python}", "-m", "pkg.app", "-x"),
        changed={"pkg/other.py": "VERSION = 22"},
    ),
    "folder": Program(
        {"app/__main__.py": "import sys, json; print(sys.argv, sys.path[0], __file__, __name__)"},
        ("{python}", "app"),
    ),
    "in a subfolder": Program(
        {
            "sub/main.py": "import sys, json, helper; print(sys.argv, sys.path[0], __file__)",
            "sub/helper.py": "print('helper')",
        },
        ("{python}", "sub/main.py"),
    ),
    "exception": Program(
        {
            "main.py": """
import json
def inner():
    try:
        json.loads("{")
    except ValueError as error:
        raise RuntimeError("outer") from error
inner()
"""
        }
    ),
    "hook for exceptions": Program(
        {
            "main.py": """
import sys, traceback
def hook(kind, error, trace):
    print("hook", kind, error, len(traceback.extract_tb(trace)), sys.last_value is error)
sys.excepthook = hook
raise ValueError("x")
"""
        }
    ),
    "interrupt": Program({"main.py": "import json\nraise KeyboardInterrupt\n"}),
    "syntax error": Program({"main.py": "import json\nif:\n"}),
    "indentation in an import": Program({"main.py": "import a", "a.py": "import b", "b.py": " x"}),
    "missing import": Program({"main.py": "import a", "a.py": "import no_such_thing\n"}),
    "exit with text": Program({"main.py": "import sys\nsys.exit('bye')"}),
    "exit with number": Program({"main.py": "import sys\nprint('x')\nsys.exit(3)"}),
    "killed by itself": Program(
        {"main.py": "import os, sys\nprint(1)\nsys.stderr.write('!')\nos.kill(os.getpid(), 9)"}
    ),
    "no such file": Program({"main.py": ""}, ("{python}", "missing.py")),
    "no such module": Program({"main.py": ""}, ("{python}", "-m", "missing")),
    "atexit and threads": Program(
        {
            "site/library.py": "import atexit, threading\natexit.register(print, 'library ends')",
            "main.py": """
import atexit, sys, threading, library
atexit.register(lambda: print("main ends", threading.main_thread() is threading.current_thread()))
def late():
    threading.main_thread().join()
    print("late", "__file__" in globals(), threading.active_count())
threading.Thread(target=late).start()
print(threading.current_thread(), threading.main_thread().ident == threading.get_ident())
""".replace("print(threading.current_thread(), ", "print(threading.current_thread().name, "),
        }
    ),
    "pools": Program(
        {
            "main.py": """
import multiprocessing, sys
def double(x): return 2 * x
class Thing:
    def __reduce__(self): return (Thing, ())
if __name__ == "__main__":
    for method in "fork", "spawn":
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(method, pool.map(double, [1, 2]), type(pool.apply(Thing)) is Thing)
"""
        }
    ),
    "pickle": Program(
        {
            "main.py": """
import copy, pickle, sys
from dataclasses import dataclass
@dataclass
class Thing: x: int
data = pickle.dumps(Thing(1))
print(data, pickle.loads(data), copy.deepcopy(Thing(2)), sys.modules["__main__"].Thing is Thing)
"""
        }
    ),
    "warnings": Program(
        {
            "site/library.py": "import warnings\nwarnings.warn('at import')\n"
            "def f(): warnings.warn('from f', stacklevel=2)",
            "main.py": "import warnings, library\nlibrary.f()\nwarnings.warn('own')\n"
            "warnings.warn('old', DeprecationWarning)",
        }
    ),
    "warnings as errors": Program(
        {
            "site/library.py": "import decimal, warnings\ndef f(): warnings.warn('x')",
            "main.py": "import library\nlibrary.f()",
        },
        ("{python}", "-W", "error", "main.py"),
    ),
    "flags": Program(
        {
            "main.py": "import sys, json, logging\n"
            "print(sys.flags, sys._xoptions, sys.warnoptions, __debug__, sys.argv, sys.path[:1])\n"
            "print(getattr(sys, 'orig_argv', 0), sys.stdout.encoding, sys.stdout.errors)"
        },
        (
            "{python}",
            "-OBu",
            "-X",
            "dev",
            "-Wdefault::UserWarning",
            "-X",
            "utf8=0",
            "main.py",
            "-O",
        ),
    ),
    "isolated": Program(
        {"main.py": "import sys, json\nprint(sys.path, sys.flags)"},
        ("{python}", "-I", "main.py"),
        {"PYTHONPATH": "/nowhere"},
    ),
    "variables": Program(
        {
            "elsewhere/tool.py": "import json; print(__file__)",
            "startup.py": "print('never')",
            "main.py": "import os, sys, tool\nprint(sys.path, hash('x'), sys.stdout.encoding)\n"
            "print(os.environ['MINE'], os.getenv('MINE'))\nos.system('echo $MINE')",
        },
        environment={
            "PYTHONPATH": "elsewhere",
            "PYTHONSTARTUP": "startup.py",
            "PYTHONHASHSEED": "3",
            "PYTHONIOENCODING": "latin-1:replace",
            "MINE": "ü",
        },
        changed={"elsewhere/tool.py": "import json; print('anew', __file__)"},
    ),
    "interactive": Program(
        {"main.py": "import json\nx = 5\nprint('main')"},
        ("{python}", "-i", "main.py"),
        stdin="print(x + 1)\n__file__\n",
    ),
    "breakpoint": Program(
        {"main.py": "import json, sys\nx = 5\nbreakpoint()\nprint('on')"},
        stdin="p x\nl\nc\n",
    ),
    "standard input": Program(
        {"main.py": "import sys, json\nprint(input('? '), sys.stdin.read())"}, stdin="a\nb\nc"
    ),
    "asyncio and subprocesses": Program(
        {
            "main.py": """
import asyncio, subprocess, sys
async def main():
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(6)", stdout=-1)
    print(await process.communicate(), subprocess.run(["echo", "7"], capture_output=True).stdout)
    await asyncio.get_running_loop().run_in_executor(None, print, "executor")
asyncio.run(main())
"""
        }
    ),
    "fork": Program(
        {
            "main.py": "import os, sys, json\nsys.stdout.write('once ')\nsys.stdout.flush()\n"
            "pid = os.fork()\nif pid == 0:\n    print('child')\n    os._exit(4)\n"
            "print(os.waitpid(pid, 0)[1])"
        }
    ),
    "no future import": Program({"main.py": "def f(x: print('evaluated')): ...\nimport json"}),
    "console script": Program(
        {
            "site/tool.py": "import sys, json\ndef main(): print(sys.argv, sys.path[0])",
            "bin/tool": "#!{python}\nimport sys\nfrom tool import main\nsys.exit(main())\n",
        },
        ("bin/tool", "run"),
    ),
    "console script of env": Program(
        {"bin/tool": "#!/usr/bin/env -S {python} -O\nimport sys\nprint(sys.argv, __debug__)\n"},
        ("bin/tool", "run"),
    ),
    "console script of sh": Program(
        {
            "bin/tool": "#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n' '''\n"
            "import sys, json\nprint(sys.argv, __file__)\n"
        },
        ("bin/tool", "run"),
    ),
    "debugger": Program(
        {"main.py": "import json\nx = 3\nprint(x)"},
        ("{python}", "-m", "pdb", "main.py"),
        stdin="n\nn\np json.__name__\nc\nq\n",
    ),
    "lists its descriptors": Program(
        {
            "main.py": "import os, json, decimal\n"
            # Low descriptors may be inherited from the test runner.
            "print([n for n in os.listdir('/proc/self/fd') if int(n) > 100])\n"
            "import wave\nprint(wave.__name__)",
        }
    ),
    "closes all descriptors": Program(
        {
            "main.py": "import os\nos.closerange(3, 1000)\nfile = open('out.txt', 'w+')\n"
            "os.dup2(file.fileno(), 250)\nimport json, decimal\nprint(file.read(), json.__name__)",
        }
    ),
}
