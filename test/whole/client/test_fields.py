"""The script in a real browser: typed text is restored in its own field or not at all."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from test.browser import Visit
from test.whole.client.site import code, served

VALUES = "[...document.querySelectorAll('input')].map(one => `${one.name}=${one.value}`).join()"
SHADOW = """<div id="host"></div><script>document.querySelector('#host')
  .attachShadow({mode: 'open'}).innerHTML = `%s`</script>"""


def saved(context: BrowserContext, project: Path, before: str, after: str, act: str) -> Page:
    """The page after a save, with typed text in the field that `act` focuses."""
    with served(project, body=before) as proxy:
        visit = Visit(context, proxy.running().url)
        visit.page.evaluate(act)
        visit.page.keyboard.type("Smith")
        proxy.save("page.py", code("second", after))
        visit.reloaded("second")
        visit.page.wait_for_load_state()
        visit.rest()
        return visit.page


@pytest.mark.parametrize(
    ("before", "after", "values"),
    [
        ("<input name=a><input name=b>", "<input name=a><input name=b>", "a=,b=Smith"),
        ("<input name=a><input name=b>", "<input name=new><input name=b>", "new=,b=Smith"),
        ("<input name=b>", "<input name=a><input name=b>", "a=,b=Smith"),
        ("<p><input name=b></p>", "<p>Hello</p><div><input name=b></div>", "b=Smith"),
        ("<input name=b>", "<input name=b type=number>", "b="),
        ("<input name=b>", "<input name=c>", "c="),
        ("<input name=q><input name=q>", "<input name=q><input name=q>", "q=,q=Smith"),
        ("<input name=q><input name=q>", "<input name=q><input name=q><input name=q>", "q=,q=,q="),
        ("<input><input>", "<input><input>", "=,=Smith"),
        ("<input><input>", "<input><input><input>", "=,=,="),
        (
            "<form id=a><input name=b></form>",
            "<form id=c><input name=b></form><form id=a><input name=b></form>",
            "b=,b=Smith",
        ),
    ],
)
def test_text_is_restored_if_name_type_and_place_agree(
    context: BrowserContext, tmp_path: Path, before: str, after: str, values: str
) -> None:
    focus = "[...document.querySelectorAll('input')].at(-1).focus()"
    page = saved(context, tmp_path, before, after, focus)
    assert page.evaluate(VALUES) == values


def test_text_of_an_open_shadow_root_is_restored(context: BrowserContext, tmp_path: Path) -> None:
    body = (
        SHADOW % "<input><div id=s style='height: 50px; overflow: auto'><p style='height: 900px'>"
    )
    act = """const {shadowRoot: root} = document.querySelector('#host');
    root.querySelector('input').focus(); root.querySelector('#s').scrollTop = 123"""
    page = saved(context, tmp_path, body, body, act)
    expect(page.locator("#host input")).to_have_value("Smith")
    expect(page.locator("#host input")).to_be_focused()
    assert page.locator("#s").evaluate("one => one.scrollTop") == 123


def test_text_of_an_editable_element_is_restored(context: BrowserContext, tmp_path: Path) -> None:
    body = "<div id=editor contenteditable>Dear <b>Mr</b>,</div><div contenteditable>other</div>"
    focus = "getSelection().setPosition(document.querySelector('#editor').lastChild, 1)"
    page = saved(context, tmp_path, body, body.replace("other", "new"), focus)
    expect(page.locator("#editor")).to_have_text("Dear Mr,Smith")
    expect(page.locator("#editor b")).to_have_text("Mr")
    expect(page.locator("[contenteditable]").last).to_have_text("new")


def test_slider_and_colour_without_a_value_are_restored(
    context: BrowserContext, tmp_path: Path
) -> None:
    body = "<input id=size type=range><input id=ink type=color><input id=text>"
    act = """document.querySelector('#size').value = 7;
    document.querySelector('#ink').value = '#102030';
    document.querySelector('#text').focus()"""
    page = saved(context, tmp_path, body, body, act)
    assert page.input_value("#size") == "7"
    assert page.input_value("#ink") == "#102030"


def test_details_that_the_user_opened_are_open_again(
    context: BrowserContext, tmp_path: Path
) -> None:
    body = "<details><summary>a</summary></details><details><summary>b</summary></details>"
    with served(tmp_path, body=body) as proxy:
        visit = Visit(context, proxy.running().url)
        visit.page.get_by_text("b", exact=True).click()
        proxy.save("page.py", code("second", body))
        visit.reloaded("second")
        expect(visit.page.locator("details").last).to_have_attribute("open", "")
        expect(visit.page.locator("details").first).not_to_have_attribute("open", "")


# A model of React 18 and 19: it replaces the setter on the element, ignores an event if the value
# was set by that setter, copies typed text to `value=`, and listens to "click" of boxes.
REACT_LIKE = """<input id="text"><input id="box" type="checkbox"><select id="list">
<option>a<option>b</select><script>window.state = {};
for (const [id, name, type] of [['text', 'value', 'input'], ['box', 'checked', 'click']]) {
  const field = document.getElementById(id);
  const own = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, name);
  let tracked = field[name];
  Object.defineProperty(field, name, {configurable: true, get() { return own.get.call(this) },
    set(value) { tracked = value; own.set.call(this, value) }});
  addEventListener(type, ({target}) => {
    if (target !== field || own.get.call(field) === tracked) return;
    tracked = state[id] = own.get.call(field);
    if (id === 'text') field.setAttribute('value', tracked);
  });
}
document.getElementById('list').onchange = event => { state.list = event.target.value };
</script>"""


def test_framework_is_notified_of_restored_fields(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path, body=REACT_LIKE) as proxy:
        visit = Visit(context, proxy.running().url)
        for title in ("second", "third"):  # restored fields are saved again
            if title == "second":
                visit.page.locator("#text").press_sequentially("Smith")
                visit.page.check("#box")
                visit.page.select_option("#list", "b")
            proxy.save("page.py", code(title, REACT_LIKE))
            visit.reloaded(title)
            visit.page.wait_for_function("state.text && state.box && state.list")
            assert visit.page.evaluate("state") == {"text": "Smith", "box": True, "list": "b"}


@pytest.mark.parametrize("how", ["submit", "requestSubmit"])
def test_form_submitted_on_change_is_not_submitted_by_restoring(
    context: BrowserContext, tmp_path: Path, how: str
) -> None:
    body = f"""<form method="post"><select id="list" name="list"><option>a<option>b</select>
    <input id="box" type="checkbox"></form><script>
    const form = document.forms[0]; let isHeld = sessionStorage.isHeld !== 'no';
    form.onchange = () => {{ if (!isHeld) form.{how}(); }};
    sessionStorage.isHeld = 'no';</script>"""
    with served(tmp_path, body=body) as proxy:
        visit = Visit(context, proxy.running().url)
        visit.page.select_option("#list", "b")
        visit.page.check("#box")
        proxy.save("page.py", code("second", body))
        visit.reloaded("second")
        expect(visit.page.locator("#list")).to_have_value("b")
        expect(visit.page.locator("#box")).to_be_checked()
        visit.rest()
        assert '"POST / ' not in proxy.output
