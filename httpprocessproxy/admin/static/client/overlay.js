// The two visible parts: a mark in a corner, and the overlay.

const MARK_AFTER_MS = 150; // a quicker restart needs no mark

// A page of the old code may show the failure of a build: one that is hidden stays so in the tab.
const HIDDEN = 'http-process-proxy hidden';
const MAX_HIDDEN = 20;

class Mark extends Layer {
  wait(text) {
    this.timer = setTimeout(() => {
      if (overlay.isShown) return;
      const dot = element('span', {className: 'dot'});
      this.put(element('output', {className: 'pill busy'}, dot, text));
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
  dismissed = new Set(hidden()); // the names of failures

  onkeydown = event => {
    if (event.key !== 'Escape' || event.isComposing) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    this.dismiss();
  };

  show(state) {
    if (this.isShown && this.state === state) return;
    this.state = state;
    if (this.isDismissed(state)) return this.offer();
    mark.clear();
    this.title = element('h1', {id: 'title'}, title(state));
    this.output = element('div', {className: 'output', tabIndex: 0, ariaLabel: 'Output'},
      element('pre', {}, fewStops(draw(state.output, serviceOf(state.service).folder))));
    this.panel = element('section', {tabIndex: -1}, this.header(),
      ...(state.output.trim() ? [this.output] : []), this.footer());
    this.panel.setAttribute('role', 'alertdialog');
    this.panel.setAttribute('aria-labelledby', 'title');
    this.panel.setAttribute('aria-describedby', 'reason');
    const veil = element('div', {className: 'veil'}, this.panel);
    veil.onclick = event => event.target === veil && this.dismiss();
    this.veil = veil;
    this.put(veil);
    // The focus is not trapped, nor taken from a field in which the user types.
    if ([null, document.body, this.host].includes(document.activeElement)) this.panel.focus();
    addEventListener('keydown', this.onkeydown, {capture: true});
  }

  // If the whole page is inert, or a video fills the screen, only a modal dialog can be used.
  place() {
    this.root.replaceChildren(this.veil);
    super.place();
    const {left, top, width} = this.panel.getBoundingClientRect();
    const hit = this.host.getRootNode().elementFromPoint(left + width / 2, top + 10);
    // No modal dialog above one of the page: it would take the focus from its fields.
    if (!hit || hit === this.host || this.ground !== document.documentElement) return;
    const dialog = element('dialog', {oncancel: () => this.dismiss()}, this.veil);
    this.root.replaceChildren(dialog);
    dialog.showModal();
  }

  header() {
    const hide = () => this.dismiss();
    return element('header', {},
      element('span', {className: 'dot'}),
      element('div', {}, this.title,
        element('p', {id: 'reason'}, reason(this.state)),
        element('code', {}, this.state.build?.command ?? serviceOf(this.state.service).command)),
      element('button', {className: 'tool', onclick: () => copy(this.output.innerText)}, 'Copy'),
      element('button', {className: 'tool', onclick: hide, ariaLabel: 'Hide'}, '✕'));
  }

  footer() {
    return element('footer', {},
      element('span', {}, this.state.build
        ? 'Save a change to build again. The page is of the code before it.'
        : 'Save a change to start it again. This goes by itself when it is back.'),
      element('span', {className: 'hint'}, element('kbd', {}, 'Esc'), ' hides it'));
  }

  wait(text) {
    if (!this.isShown) return;
    this.title.textContent = text;
    this.panel.classList.add('busy');
  }

  // Hide the overlay until the next error; a click on the mark shows it again.
  dismiss() {
    this.dismissed.add(failureName(this.state));
    storeHidden(this.dismissed);
    this.hide();
    this.show(failing() ?? this.state);
  }

  offer() {
    this.hide();
    mark.offer(title(this.state), () => {
      this.dismissed.delete(failureName(this.state));
      storeHidden(this.dismissed);
      this.show(this.state);
    });
  }

  isDismissed(state) {
    return this.dismissed.has(failureName(state));
  }

  hide() {
    removeEventListener('keydown', this.onkeydown, {capture: true});
    this.remove();
  }
}

function hidden() {
  try {
    return JSON.parse(sessionStorage.getItem(HIDDEN)) ?? [];
  } catch { // storage is disabled
    return [];
  }
}

function storeHidden(names) {
  try {
    sessionStorage.setItem(HIDDEN, JSON.stringify([...names].slice(-MAX_HIDDEN)));
  } catch { /* storage is disabled */ }
}

function failureName({service, generation, build, at_ms: atMs}) {
  return `${hello.run} ${service} ${build ? `build ${atMs}` : generation}`;
}

function title(state) {
  if (!state.build) return `${nameOf(state, 'The server')} has ended`;
  return `The build${nameOf(state, '') && ` of ${state.service}`} has failed`;
}

function reason({why, paths, service, build}) {
  const [first, ...others] = paths;
  const rest = others.length ? ` and ${others.length} more` : '';
  const change = first ? ` The last change: ${first}${rest}.` : '';
  if (!build) return `It ${why}.${change}`;
  const {state, generation} = states.get(service);
  return `It ${build.reason}.${change}`
    + (state === 'running' ? ` Generation ${generation} goes on serving.` : '');
}

const mark = new Mark('mark');
const overlay = new Overlay('overlay');
