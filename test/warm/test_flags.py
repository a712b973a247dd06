"""The command line of `python`: its options, and the program after them."""

import pytest

from httpprocessproxy.warm.flags import NotWarmError, split

SPLIT = {
    "main.py": ((), "main.py", "", ()),
    "main.py -m x": ((), "main.py", "", ("-m", "x")),
    "-m pkg.app -O": ((), "", "pkg.app", ("-O",)),
    "-mpkg": ((), "", "pkg", ()),
    "-um pkg": (("-u",), "", "pkg", ()),
    "-OBu -W error main.py": (("-OBu", "-W", "error"), "main.py", "", ()),
    "-Werror -X dev -Xutf8 main.py": (("-Werror", "-X", "dev", "-Xutf8"), "main.py", "", ()),
    "-uX dev main.py": (("-uX", "dev"), "main.py", "", ()),
    "--check-hash-based-pycs always a.py": (("--check-hash-based-pycs", "always"), "a.py", "", ()),
    "-u -- -odd.py x": (("-u",), "-odd.py", "", ("x",)),
    "-i main.py": (("-i",), "main.py", "", ()),
}

REFUSED = {
    "": "Python gets its program from its standard input",
    "-u -": "Python gets its program from its standard input",
    "-c pass": "'python -c' runs no file",
    "-V": "'python -V' runs no file",
    "--help": "'python --help' runs no file",
    "-x main.py": "'python -x' runs no file",
    "main.pyc": "'main.pyc' is compiled already",
}


@pytest.mark.parametrize("line", SPLIT)
def test_words_are_split_into_flags_and_program(line: str) -> None:
    assert split(line.split()) == SPLIT[line]


@pytest.mark.parametrize("line", REFUSED)
def test_words_without_a_program_file_are_refused(line: str) -> None:
    with pytest.raises(NotWarmError) as caught:
        split(line.split())
    assert str(caught.value) == REFUSED[line]
