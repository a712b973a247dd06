"""Names of editors, templates of links, and refused choices."""

import pytest

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.page.editors import editor_template


@pytest.mark.parametrize(
    ("choice", "template"),
    [
        ("vscode", "vscode://file{file}:{line}:{column}"),
        ("VSCode", "vscode://file{file}:{line}:{column}"),
        ("pycharm", "pycharm://open?file={file}&line={line}&column={column}"),
        ("sublime", "subl://open?url=file://{file}&line={line}&column={column}"),
        ("vim", "mvim://open?url=file://{file}&line={line}&column={column}"),
        ("none", ""),
        ("x-mine://{file}#{line}", "x-mine://{file}#{line}"),
        ("http://localhost:8091/?message={file}", "http://localhost:8091/?message={file}"),
    ],
)
def test_choice_is_a_name_or_a_template(choice: str, template: str) -> None:
    assert editor_template(choice, {"TERM_PROGRAM": "zed"}) == template


@pytest.mark.parametrize("name", ["vscodium", "cursor", "idea", "emacs", "zed"])
def test_template_of_every_editor_has_file_and_line(name: str) -> None:
    template = editor_template(name, {})
    assert "{file}" in template
    assert "{line}" in template


@pytest.mark.parametrize(
    ("choice", "advice"),
    [
        ("notepad", "vscode"),
        ("vscode://", "{file}"),
        ("{file}:{line}", "myedit://"),
        ("javascript:alert('{file}')", "not a link"),
        ("DATA:text/html,{file}", "not a link"),
        ("x://{file}:{lineno}", "{lineno}"),
    ],
)
def test_invalid_choice_raises_user_error_with_advice(choice: str, advice: str) -> None:
    with pytest.raises(UserError) as caught:
        editor_template(choice, {})
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "scheme"),
    [
        ({}, ""),
        ({"TERM_PROGRAM": "iTerm.app"}, ""),
        ({"TERM_PROGRAM": "vscode"}, "vscode"),
        ({"TERM_PROGRAM": "vscode", "CURSOR_TRACE_ID": "1"}, "cursor"),
        ({"TERMINAL_EMULATOR": "JetBrains-JediTerm"}, "idea"),
        ({"TERM_PROGRAM": "zed"}, "zed"),
    ],
)
def test_editor_is_detected_from_the_environment_without_a_choice(
    environment: dict[str, str], scheme: str
) -> None:
    assert editor_template("", environment).partition(":")[0] == scheme
