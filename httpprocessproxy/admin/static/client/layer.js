// A layer over the page: an element beside the body, or within the only element that is not inert.
// It has a closed shadow root, which the page's styles do not reach, and a style sheet made by a
// script, which the page's Content-Security-Policy does not forbid.

const STYLE_SHEET = `
  :host { all: initial !important; position: fixed !important; display: block !important;
    z-index: 2147483647 !important; color-scheme: light dark !important;
    --page: #fff; --ink: #1c2128; --faint: #667080; --edge: #0000001f; --accent: #c2410c;
    --hover: #0000000d; font: 15px/1.5 system-ui, sans-serif !important;
    color: var(--ink) !important;
    direction: ltr !important; unicode-bidi: isolate !important }
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
  dialog { width: 100%; height: 100%; max-width: none; max-height: none; border: 0; padding: 0;
    background: none }
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


const MOVE_MS = 100; // at most one move in this time, because a page may remove the layer each time

// A modal dialog, or an element in full screen, makes all elements outside it inert, also a popover.
// Of several dialogs, the one with the focus was opened last.
function ground() {
  const modals = [...elements(document)].filter(one => one.localName === 'dialog' && one.matches(':modal'));
  const active = focused(document);
  const top = modals.findLast(one => one.contains(active)) ?? modals.at(-1) ?? document.fullscreenElement;
  return top?.matches(':not(audio, canvas, embed, iframe, img, object, video)')
    ? top.shadowRoot ?? top : document.documentElement;
}

class Layer {
  constructor(kind) {
    this.kind = kind;
    this.observer = new MutationObserver(this.moved);
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
    this.isWanted = true;
    if (!this.isShown) this.place();
  }

  place() {
    this.ground = ground();
    this.ground.append(this.host);
    this.host.popover = 'manual';
    this.host.showPopover?.();
    this.observer.observe(document,
      {subtree: true, childList: true, attributes: true, attributeFilter: ['open', 'inert']});
    document.addEventListener('fullscreenchange', this.moved);
  }

  // The page may open and close its dialogs at any time.
  moved = () => {
    this.moving ??= setTimeout(() => {
      this.moving = null;
      if (this.isWanted && (!this.isShown || ground() !== this.ground)) this.place();
    }, MOVE_MS);
  };

  get isShown() {
    return Boolean(this.host?.isConnected);
  }

  remove() {
    this.isWanted = false;
    this.observer.disconnect();
    document.removeEventListener('fullscreenchange', this.moved);
    this.host?.remove();
  }
}
