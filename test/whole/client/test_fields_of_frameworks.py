"""The script in a real browser with React 16, React 18 and Vue 3: controlled fields."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from test.browser import Visit
from test.whole.client.frameworks import REACT_16, REACT_18, VUE_3, scripts, served_with
from test.whole.client.site import code

FIELDS = """<input name="text"><textarea name="note"></textarea>
<select name="list"><option>a</option><option>b</option></select>
<input type="checkbox" name="box">
<input type="radio" name="size" value="s"><input type="radio" name="size" value="l">"""

# The form as a server renders it, without blanks between the fields.
RENDERED = f"<div id='root'><form>{FIELDS.replace(chr(10), '')}</form></div>"

REACT_FORM = """
const {createElement: h, useState} = React;
const Form = () => {
  const [state, setState] = useState({text: '', note: '', list: 'a', box: false, size: ''});
  window.state = state;
  const controlled = (element, name, props, ...children) => h(element, {
    value: state[name],
    onChange: ({target}) => setState(
      before => ({...before, [name]: target.type === 'checkbox' ? target.checked : target.value})),
    name,
    ...props,
  }, ...children);
  const radio = value =>
    controlled('input', 'size', {type: 'radio', value, checked: state.size === value});
  return h('form', null,
    controlled('input', 'text'),
    controlled('textarea', 'note'),
    controlled('select', 'list', {}, h('option', null, 'a'), h('option', null, 'b')),
    controlled('input', 'box', {type: 'checkbox', value: undefined, checked: state.box}),
    radio('s'), radio('l'));
};
const root = document.getElementById('root');
"""

VUE_FORM = """
const root = document.getElementById('root');
const state = Vue.reactive({text: '', note: '', list: 'a', box: false, size: ''});
const Form = {
  setup: () => ({state}),
  mounted() { window.state = state; },
  template: `<form>
    <input name="text" v-model="state.text">
    <textarea name="note" v-model="state.note"></textarea>
    <select name="list" v-model="state.list"><option>a</option><option>b</option></select>
    <input type="checkbox" name="box" v-model="state.box">
    <input type="radio" name="size" value="s" v-model="state.size">
    <input type="radio" name="size" value="l" v-model="state.size">
  </form>`,
};
"""

LATE = "addEventListener('load', () => setTimeout(() => {%s}, 300))"
RENDER_16 = "ReactDOM.render(h(Form), root)"
RENDER_18 = "ReactDOM.createRoot(root).render(h(Form))"
HYDRATE_16 = "ReactDOM.hydrate(h(Form), root)"
HYDRATE_18 = "ReactDOM.hydrateRoot(root, h(Form))"
VUE_MOUNT = "Vue.createApp(Form).mount(root)"
VUE_HYDRATE = "Vue.createSSRApp(Form).mount(root)"
EMPTY = "<div id='root'></div>"

SHOWN = """(() => { const one = name => document.querySelector(`[name=${name}]`);
  return {text: one('text')?.value, note: one('note')?.value, list: one('list')?.value,
    box: one('box')?.checked, size: document.querySelector('[name=size]:checked')?.value}; })()"""
FILLED = {"text": "Smith", "note": "Dear", "list": "b", "box": True, "size": "l"}


def fill(visit: Visit) -> None:
    visit.page.wait_for_function("window.state")
    visit.page.locator("[name=text]").press_sequentially("Smith")
    visit.page.locator("[name=note]").press_sequentially("Dear")
    visit.page.locator("[name=list]").select_option("b")
    visit.page.locator("[name=box]").check()
    visit.page.locator("[name=size][value=l]").check()
    assert visit.page.evaluate("({...state})") == FILLED


@pytest.mark.parametrize(
    ("framework", "form", "served", "start"),
    [
        pytest.param(REACT_16, REACT_FORM, EMPTY, RENDER_16, id="react-16"),
        pytest.param(REACT_16, REACT_FORM, RENDERED, LATE % HYDRATE_16, id="react-16-hydrates"),
        pytest.param(REACT_18, REACT_FORM, EMPTY, RENDER_18, id="react-18"),
        pytest.param(REACT_18, REACT_FORM, EMPTY, LATE % RENDER_18, id="react-18-late"),
        pytest.param(REACT_18, REACT_FORM, RENDERED, LATE % RENDER_18, id="react-18-replaces"),
        pytest.param(REACT_18, REACT_FORM, RENDERED, HYDRATE_18, id="react-18-hydrates"),
        pytest.param(REACT_18, REACT_FORM, RENDERED, LATE % HYDRATE_18, id="react-18-later"),
        pytest.param(VUE_3, VUE_FORM, EMPTY, VUE_MOUNT, id="vue-3"),
        pytest.param(VUE_3, VUE_FORM, RENDERED, LATE % VUE_MOUNT, id="vue-3-replaces"),
        pytest.param(VUE_3, VUE_FORM, RENDERED, LATE % VUE_HYDRATE, id="vue-3-hydrates"),
    ],
)
def test_controlled_fields_are_restored_with_their_state(
    context: BrowserContext,
    tmp_path: Path,
    framework: tuple[str, ...],
    form: str,
    served: str,
    start: str,
) -> None:
    body = served + scripts(framework, form + start)
    with served_with(tmp_path, framework, page=code("first", body)) as proxy:
        visit = Visit(context, proxy.running().url)
        fill(visit)
        proxy.save("page.py", code("second", body))
        visit.reloaded("second")
        both = f"JSON.stringify([{{...window.state}}, {SHOWN}])"
        wanted = json.dumps([FILLED, FILLED], separators=(",", ":"))
        visit.page.wait_for_function(f"{both} === {wanted!r}")
        visit.rest()
        assert visit.page.evaluate(both) == wanted
        assert not [line for line in visit.console if "Warning" in line or "uncaught" in line]


# A page of which React renders <html>, as in Remix.
WHOLE_PAGE = """
const h = React.createElement;
const served = [...document.querySelectorAll('html, head, meta, body, button')];
const App = () => {
  const [count, setCount] = React.useState(0);
  return h('html', null,
    h('head', null, h('meta', {charSet: 'utf-8'}), h('title', null, TITLE)),
    h('body', null, h('button', {onClick: () => setCount(count + 1)}, count)));
};
window.errors = [];
document.querySelectorAll('body script').forEach(script => script.remove());
ReactDOM.hydrateRoot(document, h(App), {onRecoverableError: error => errors.push(error.message)});
window.isKept = () => served.length === 5 && served.every(one => one.isConnected);
"""


def whole_page(title: str) -> str:
    page = (
        f'<!doctype html><html><head><meta charset="utf-8"/><title>{title}</title></head>'
        f"<body><button>0</button>{scripts(REACT_18, f'const TITLE = {title!r};{WHOLE_PAGE}')}"
        "</body></html>"
    )
    return f"PAGES = { ({'/': page, '/favicon.ico': ''})!r}\n"


def test_react_18_hydrates_the_document_that_the_server_sent(
    context: BrowserContext, tmp_path: Path
) -> None:
    with served_with(tmp_path, REACT_18, page=whole_page("first")) as proxy:
        visit = Visit(context, proxy.running().url)
        hydrated(visit)
        proxy.save("page.py", whole_page("second"))
        visit.reloaded("second")
        hydrated(visit)


def hydrated(visit: Visit) -> None:
    visit.page.locator("button", has_text="0").click()
    visit.page.locator("button", has_text="1").wait_for()
    assert visit.page.evaluate("errors") == []
    assert visit.page.evaluate("isKept()")
