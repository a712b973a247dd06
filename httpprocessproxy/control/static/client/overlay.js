// What we show: a mark in a corner, and the overlay. Each is an element beside the body, with a
// closed shadow root, which the page's style does not reach, and with a style sheet made by a script,
// which its Content-Security-Policy does not forbid.

const MARK_AFTER_MS = 150; // a quicker restart needs no mark

const STYLE_SHEET = `
  :host { all: initial !important; position: fixed !important; display: block !important;
    z-index: 2147483647 !important; color-scheme: light dark !important;
    --page: #fff; --ink: #1c2128; --faint: #667080; --edge: #0000001f; --accent: #c2410c;
    --hover: #0000000d; font: 15px/1.5 system-ui, sans-serif !important;
    color: var(--ink) !important }
  @media (prefers-color-scheme: dark) { :host { --page: #1c2027; --ink: #e3e6ea;
    --faint: #949ca8; --edge: #ffffff24; --accent: #fb923c; --hover: #ffffff14 } }
  :host(.mark) { inset: auto 14px 14px auto !important; pointer-events: none !important }
  :host(.overlay) { inset: 0 !important }
  * { box-sizing: border-box; margin: 0; font: inherit; color: inherit }
  button { border: 0; padding: 0; background: none; cursor: pointer }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
  .pill { display: flex; align-items: center; gap: 8px; padding: 5px 12px 5px 10px;
    border: 1px solid var(--edge); border-radius: 99px; background: var(--page);
    box-shadow: 0 2px 10px #0003; font-size: 12.5px; pointer-events: auto }
  .pill:is(output) { pointer-events: none }
  .dot { flex: none; width: 8px; height: 8px; border-radius: 50%; background: var(--accent) }
  .busy .dot { animation: pulse 1s ease-in-out infinite alternate }
  @keyframes pulse { to { opacity: .25; transform: scale(.7) } }
  .veil { display: flex; flex-direction: column; align-items: center; height: 100%;
    padding: max(16px, 7vh) 16px 16px; background: #10131999 }
  section { display: flex; flex-direction: column; width: 100%; max-width: 60rem; min-height: 0;
    border: 1px solid var(--edge); border-radius: 12px; background: var(--page);
    box-shadow: 0 18px 60px #0007; overflow: hidden }
  section:focus { outline: 0 }
  header { display: flex; gap: 10px; padding: 18px 20px 16px }
  header .dot { width: 11px; height: 11px; margin-top: 8px }
  header div { flex: 1; min-width: 0 }
  h1 { font-size: 18px; font-weight: 650; line-height: 1.5 }
  p { overflow-wrap: anywhere; white-space: pre-line }
  code { font: 12.5px/1.6 ui-monospace, Menlo, Consolas, monospace; color: var(--faint);
    overflow-wrap: anywhere }
  .tool { flex: none; align-self: start; min-width: 30px; height: 30px; padding: 0 10px;
    border-radius: 7px; color: var(--faint); font-size: 13px }
  .tool:hover { background: var(--hover); color: var(--ink) }
  .output { display: flex; flex-direction: column-reverse; min-height: 4rem; overflow: auto;
    color-scheme: dark; background: #1b1f27; border-block: 1px solid var(--edge) }
  pre { padding: 14px 20px; color: #d5dae1; white-space: pre-wrap; overflow-wrap: anywhere;
    font: 12.5px/1.55 ui-monospace, Menlo, Consolas, monospace; tab-size: 4 }
  .place { display: inline; text-align: start; text-decoration: underline dotted #8b929c;
    text-underline-offset: 3px; cursor: pointer }
  .place:hover { text-decoration: underline solid }
  footer { display: flex; gap: 18px; padding: 10px 20px; font-size: 13px; color: var(--faint) }
  footer :first-child { flex: 1 }
  @media (pointer: coarse) { .hint { display: none } }
  kbd { padding: 0 5px; border: 1px solid var(--edge); border-radius: 4px; font-size: 11.5px }
  @media (prefers-reduced-motion: no-preference) {
    .pill, section { animation: come .16s ease-out } @keyframes come { from { opacity: 0;
    transform: translateY(4px) } } }
  @media (prefers-reduced-motion) { .busy .dot { animation: none } }
`;

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// A layer over the page, above its own dialogs where the browser can do that.
class Layer {
  constructor(kind) {
    this.kind = kind;
  }

  put(...content) {
    if (!this.host) {
      this.host = element('http-process-proxy', {className: this.kind});
      this.root = this.host.attachShadow({mode: 'closed'});
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE_SHEET);
      this.root.adoptedStyleSheets = [sheet];
    }
    this.root.replaceChildren(...content);
    if (!this.host.isConnected) {
      document.documentElement.append(this.host);
      this.host.popover = 'manual';
      this.host.showPopover?.();
    }
  }

  get isShown() {
    return Boolean(this.host?.isConnected);
  }

  remove() {
    this.host?.remove();
  }
}

class Mark extends Layer {
  restarting() {
    this.timer = setTimeout(() => {
      if (overlay.isShown) return;
      const dot = element('span', {className: 'dot'});
      this.put(element('output', {className: 'pill busy'}, dot, 'Restarting'));
    }, MARK_AFTER_MS);
  }

  offer(text, act) {
    const dot = element('span', {className: 'dot'});
    this.put(element('button', {className: 'pill', onclick: act}, dot, text));
  }

  clear() {
    clearTimeout(this.timer);
    this.remove();
  }
}

class Overlay extends Layer {
  onkeydown = event => {
    if (event.key !== 'Escape' || event.isComposing) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    this.dismiss();
  };

  show(state) {
    this.state = state;
    if (this.dismissed === this.name) return this.dismiss();
    mark.clear();
    this.title = element('h1', {id: 'title'}, 'The server has ended');
    this.output = element('div', {className: 'output', tabIndex: 0, ariaLabel: 'Output'},
      element('pre', {}, draw(state.output)));
    this.panel = element('section', {tabIndex: -1}, this.header(),
      ...(state.output.trim() ? [this.output] : []), this.footer());
    this.panel.setAttribute('role', 'alertdialog');
    this.panel.setAttribute('aria-labelledby', 'title');
    this.panel.setAttribute('aria-describedby', 'reason');
    const veil = element('div', {className: 'veil'}, this.panel);
    veil.onclick = event => event.target === veil && this.dismiss();
    this.put(veil);
    // The focus is not trapped, nor taken from a field that somebody types in.
    if ([null, document.body, this.host].includes(document.activeElement)) this.panel.focus();
    addEventListener('keydown', this.onkeydown, {capture: true});
  }

  header() {
    const hide = () => this.dismiss();
    return element('header', {},
      element('span', {className: 'dot'}),
      element('div', {}, this.title,
        element('p', {id: 'reason'}, reason(this.state)),
        element('code', {}, hello.command)),
      element('button', {className: 'tool', onclick: () => copy(this.output.innerText)}, 'Copy'),
      element('button', {className: 'tool', onclick: hide, ariaLabel: 'Hide'}, '✕'));
  }

  footer() {
    return element('footer', {},
      element('span', {}, 'Save a change to start it again. This goes by itself when it is back.'),
      element('span', {className: 'hint'}, element('kbd', {}, 'Esc'), ' hides it'));
  }

  restarting() {
    if (!this.isShown) return;
    this.title.textContent = 'Restarting';
    this.panel.classList.add('busy');
  }

  // Out of the way, until the next error; the mark brings it back.
  dismiss() {
    this.dismissed = this.name;
    this.hide();
    mark.offer('The server has ended', () => {
      this.dismissed = '';
      this.show(this.state);
    });
  }

  hide() {
    removeEventListener('keydown', this.onkeydown, {capture: true});
    this.remove();
  }

  get name() {
    return `${hello.run} ${this.state.generation}`;
  }
}

function reason({why, paths}) {
  const [first, ...others] = paths;
  const rest = others.length ? ` and ${others.length} more` : '';
  return `It ${why}.` + (first ? ` The last change: ${first}${rest}.` : '');
}

const mark = new Mark('mark');
const overlay = new Overlay('overlay');
