"""Patterns: tables of globs with paths that match and paths that do not."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from wcmatch import glob as wcmatch

from httpprocessproxy.core.change.patterns import Patterns, is_within, literal
from httpprocessproxy.core.errors import UserError

COUNTED = [
    ([], [], "a.py"),
    ([], [], "src/deep/er/a.py"),
    ([], [], ".env"),
    ([], [], ".github/workflows/ci.yml"),
    ([], [], "4913/a"),
    ([], [], "caf\udce9/\udcff.py"),
    ([], [], "two\nlines.py"),
    (["*.py"], [], "a.py"),
    (["./*.py"], [], "a.py"),
    (["**/*.py"], [], "a.py"),
    (["**/*.py"], [], "x/y/a.py"),
    (["src/**"], [], "src/a"),
    (["src/**"], [], "src/x/a"),
    (["src/**/*.{py,html}"], [], "src/x/a.html"),
    (["{src,lib/x}/*.py"], [], "lib/x/a.py"),
    (["a?.py"], [], "ab.py"),
    (["[ab].py"], [], "b.py"),
    (["[!ab].py"], [], "c.py"),
    (["[[]x].py"], [], "[x].py"),
    (["[{]x[}].py"], [], "{x}.py"),
    ([r"\*.py"], [], "*.py"),
    (["**/x/**/*.py"], [], "x/a.py"),
    (["**/x/**/*.py"], [], "1/x/2/3/a.py"),
    (["**/**/*.py"], [], "a.py"),
    (["src"], [], "src/x/a"),
    (["src/"], [], "src/a"),
    (["src/*/"], [], "src/x/y/a"),
    (["Makefile"], [], "Makefile"),
    (["*.py", "*.html"], [], "a.html"),
    ([], ["static/*"], "static/x/a"),
    ([], ["build"], "src/build/a"),
    # A pattern that names files excluded by default includes them.
    (["node_modules/mylib/**"], [], "node_modules/mylib/x/a.js"),
    ([".venv/**/*.py"], [], ".venv/lib/a.py"),
    (["**/.venv/**/*.py"], [], "x/.venv/lib/a.py"),
    (["venv"], [], "venv/pyvenv.cfg"),
    ([".git/HEAD"], [], ".git/HEAD"),
    (["**/*.pyc"], [], "x/a.pyc"),
    (["**/__pycache__/*.pyc"], [], "x/__pycache__/a.pyc"),
    (["*.sqlite3"], [], "db.sqlite3"),
    (["data/app.db"], [], "data/app.db"),
    ([], [], "journal.py"),
]

NOT_COUNTED = [
    (["*.py"], [], "x/a.py"),
    (["**/*.py"], [], "a.PY"),
    (["**/*.py"], [], "a.pyx"),
    (["src/**"], [], "src"),
    (["src/**"], [], "x/src/a"),
    (["src/*"], [], "src/x/a"),
    (["src/"], [], "src"),
    (["a?b"], [], "a/b"),
    (["a[!x]b"], [], "a/b"),
    ([], ["*.py"], "a.py"),
    ([], ["**/*.min.js"], "x/a.min.js"),
    ([], ["static/**"], "static/x/a"),
    ([], ["static"], "static/x/a"),
    ([], ["**/build/"], "x/build/y/a"),
    (["a.py"], ["a.*"], "a.py"),
    (["src"], [], "x/src"),
    # A segment that is only * or ** does not include them.
    ([], [], ".git/index"),
    ([], [], "sub/.hg/store/x"),
    ([], [], "x/__pycache__/a.cpython-311.pyc.14023"),
    ([], [], "a.pyc"),
    ([], [], "web/node_modules/x/index.js"),
    ([], [], ".venv/lib/a.py"),
    ([], [], ".DS_Store"),
    ([], [], "db.sqlite3"),
    ([], [], "db.sqlite3-journal"),
    *(([], [], name) for name in ("app.db", "dev.db3", "x/a.duckdb", "dump.rdb")),
    *(([], [], name) for name in ("app.db-wal", "a.s3db-journal", "data-shm")),
    (["src/**"], [], "src/__pycache__/a.pyc"),
    (["**/*.py"], [], ".venv/lib/a.py"),
    (["**/*.*"], [], ".git/config.lock"),
    (["**/*.js"], [], "node_modules/x/a.js"),
    (["*/lib/*.py"], [], ".venv/lib/a.py"),
    ([".venv/**/*.py"], [], "x/.venv/lib/a.py"),
    (["**/*.pyc"], [], "__pycache__/a.pyc"),
    (["node_modules/mylib/**"], [], "node_modules/mylib/node_modules/x/a.js"),
    # Editors' temporary files never match, even if a pattern names them.
    ([], [], "a.py~"),
    ([], [], "src/.a.py.swp"),
    ([], [], ".a.py.swpx"),
    ([], [], "src/4913"),
    ([], [], ".#a.py"),
    ([], [], "#a.py#"),
    ([], [], "a.py___jb_tmp___"),
    ([], [], ".subl3f.tmp"),
    ([], [], ".goutputstream-ABC123"),
    ([], [], "a.py.kate-swp"),
    ([], [], ".tmpAb12Xy"),
    ([], [], ".nfs00000000012345"),
    (["**/*.swp", "**/.*.swp"], [], ".a.swp"),
    (["a.py~"], [], "a.py~"),
]


@pytest.mark.parametrize(("patterns", "excludes", "path"), COUNTED)
def test_path_of_a_pattern_matches_and_its_folders_may_contain_it(
    patterns: list[str], excludes: list[str], path: str
) -> None:
    chosen = Patterns(patterns, excludes, default_excludes=True)
    assert chosen.matches(path)
    assert all(chosen.may_contain(folder) for folder in _folders(path))


@pytest.mark.parametrize(("patterns", "excludes", "path"), NOT_COUNTED)
def test_path_outside_patterns_or_excluded_does_not_match(
    patterns: list[str], excludes: list[str], path: str
) -> None:
    assert not Patterns(patterns, excludes, default_excludes=True).matches(path)


@pytest.mark.parametrize("path", ["a~", ".git/x", "__pycache__/a.pyc", "db.sqlite3", ".a.swp"])
def test_every_path_matches_without_default_excludes(path: str) -> None:
    assert Patterns([], [], default_excludes=False).matches(path)


@pytest.mark.parametrize(
    ("patterns", "excludes", "folder", "may"),
    [
        ([], [], "", True),
        ([], [], "src/x", True),
        ([], [], ".git", False),
        ([], [], "x/node_modules", False),
        ([], [], "node_modules/x", False),
        ([], [], "x/__pycache__", False),
        ([".venv/**/*.py"], [], ".venv", True),
        ([".venv/**/*.py"], [], ".venv/lib", True),
        ([".venv/**/*.py"], [], ".venv/lib/__pycache__", False),
        (["node_modules/mylib/**"], [], "node_modules", True),
        (["node_modules/mylib/**"], [], "node_modules/other", False),
        (["src/**/*.py"], [], "src", True),
        (["src/**/*.py"], [], "src/x/y", True),
        (["src/**/*.py"], [], "lib", False),
        (["src/*.py"], [], "src/x", False),
        (["*.py"], [], "src", False),
        (["a/*/c/*.py"], [], "a/b/c", True),
        (["a/*/c/*.py"], [], "a/b/d", False),
        ([], ["static/**"], "static", False),
        ([], ["static/**"], "static/x", False),
        ([], ["static"], "static/x", False),
        ([], ["static/*"], "static", True),
        ([], ["**/gen/**/*"], "x/gen/y", False),
        ([], ["**"], "x", False),
        ([], ["**/*.js"], "x", True),
    ],
)
def test_folder_may_contain_matches_only_if_a_file_below_can_match(
    patterns: list[str], excludes: list[str], folder: str, may: bool
) -> None:
    assert Patterns(patterns, excludes, default_excludes=True).may_contain(folder) is may


@pytest.mark.parametrize(
    ("patterns", "excludes", "path", "matches"),
    [
        ([], [], "my/env/lib/a.py", False),
        (["**/*.py"], [], "my/env/lib/a.py", False),
        (["my/*/lib/*.py"], [], "my/env/lib/a.py", False),
        (["my/env/**"], [], "my/env/lib/a.py", True),
        (["**/env/**/*.py"], [], "my/env/lib/a.py", True),
        (["my/env/**"], [], "my/env/__pycache__/a.pyc", False),
        (["my/env/**"], ["**/a.py"], "my/env/lib/a.py", False),
        (["my/env/**"], [], "my/env/lib/a.py~", False),
    ],
)
def test_file_of_a_tools_folder_matches_if_a_pattern_names_the_folder(
    patterns: list[str], excludes: list[str], path: str, matches: bool
) -> None:
    """`my/env` is a virtual environment with a name that is not among TOOL_NAMES."""
    chosen = Patterns(patterns, excludes, default_excludes=True)
    assert chosen.matches(path, "my/env") is matches
    assert not matches or all(
        chosen.may_contain(folder, "my/env") for folder in _folders(path) if folder != "my"
    )


@pytest.mark.parametrize(
    ("patterns", "folder", "may"),
    [
        ([], "my/env", False),
        (["**/*.py"], "my/env/lib", False),
        (["my/env/lib/*.py"], "my/env", True),
        (["my/env/lib/*.py"], "my/env/lib", True),
        (["my/env/lib/*.py"], "my/env/share", False),
        (["**/env/**"], "my/env/lib", True),
    ],
)
def test_tools_folder_may_contain_matches_if_a_pattern_names_it(
    patterns: list[str], folder: str, may: bool
) -> None:
    chosen = Patterns(patterns, [], default_excludes=True)
    assert chosen.may_contain(folder, "my/env") is may


@pytest.mark.parametrize(
    ("glob", "reason"),
    [
        ("", "it is empty"),
        ("./", "it is empty"),
        ("/etc/*", "it must be relative"),
        ("../x/*.py", "it leaves the directory"),
        ("src/../x", "it leaves the directory"),
        ("src/[ab", "a [ without its ]"),
        ("src/[a/b]", "a [ without its ]"),
        ("[]", "a [ without its ]"),
        ("*.{py,html", "a { or } without the other"),
        ("*.py}", "a { or } without the other"),
        ("{1..5000}", "more than 1000"),
    ],
)
@pytest.mark.parametrize("as_exclude", [False, True])
def test_invalid_glob_raises_user_error_with_the_reason(
    glob: str, reason: str, as_exclude: bool
) -> None:
    globs = ([], [glob]) if as_exclude else ([glob], [])
    with pytest.raises(UserError, match=re.escape(repr(glob)) + ".*" + re.escape(reason)):
        Patterns(*globs, default_excludes=True)


_NAMES = st.sampled_from(["a", "b.py", "src", ".git", "node_modules", "__pycache__", "x.pyc", "*"])
_GLOBS = st.lists(st.one_of(_NAMES, st.sampled_from(["**", "*.py", "?", "[!s]*"])), min_size=1)


@given(
    globs=st.lists(_GLOBS.map("/".join), max_size=3),
    excludes=st.lists(_GLOBS.map("/".join), max_size=2),
    path=st.lists(_NAMES, min_size=1, max_size=5).map("/".join),
)
def test_folders_of_a_matching_file_may_contain_it(
    globs: list[str], excludes: list[str], path: str
) -> None:
    chosen = Patterns(globs, excludes, default_excludes=True)
    if chosen.matches(path):
        assert all(chosen.may_contain(folder) for folder in _folders(path))


@given(st.text(alphabet="ab*?[]{}!^,./\\-", max_size=12))
def test_any_text_is_a_glob_or_raises_user_error(glob: str) -> None:
    try:
        chosen = Patterns([glob], [], default_excludes=True)
    except UserError:
        return
    assert chosen.matches("a/b") in (True, False)


@given(
    glob=st.text(alphabet="ab.?*#~+(", min_size=1, max_size=6),
    name=st.text(alphabet="ab.#~+(\n", min_size=1, max_size=6),
)
def test_name_matches_a_glob_as_wcmatch_reads_it(glob: str, name: str) -> None:
    assume(name not in (".", "..") and glob.strip(".*"))
    flags = wcmatch.DOTGLOB | wcmatch.FORCEUNIX | wcmatch.GLOBSTAR
    expected = wcmatch.globmatch(name, glob, flags=flags)
    assert Patterns([glob], [], default_excludes=False).matches(name) == expected


@pytest.mark.parametrize("path", ["a.py", "[a]*?.py", "{a,b}.py", "!a", "a\\b", "-a~"])
def test_literal_glob_matches_its_path_alone(path: str) -> None:
    chosen = Patterns([literal(path)], [], default_excludes=False)
    assert chosen.matches(path)
    assert not chosen.matches(f"{path}c")
    assert not chosen.matches("aa.py")


def _folders(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        ("/a", "/a", True),
        ("/a/b/c", "/a", True),
        ("a/b", "a", True),
        ("/a/b", "/", True),
        ("/", "/", True),
        ("/ab", "/a", False),
        ("/a", "/a/b", False),
        ("b/a", "a", False),
    ],
)
def test_path_is_within_itself_and_the_folders_above(
    path: str, folder: str, expected: bool
) -> None:
    assert is_within(path, folder) == expected
