// Form fields: which of them the user has filled, and events that notify a framework of a new value.

const SECRET = /^(cc-|one-time-code)|password/;
const UNKEPT = ['password', 'file', 'hidden', 'submit', 'button', 'reset', 'image'];
const INITIAL = ['type', 'value', 'min', 'max', 'step', 'multiple'];

// Frameworks set `value=` to the typed text, and editable elements have no default value.
const touched = new WeakSet(); // frames are kept together: each window has its own at GUARD

function touch(event) {
  const [target] = event.composedPath();
  const one = event.type === 'input' ? target : target.closest?.('summary')?.parentElement;
  if (event.isTrusted && one) touched.add(one);
}

function isTouched(one) {
  return Boolean(one.ownerDocument.defaultView[GUARD]?.has?.(one));
}

function isField(one) {
  const name = one?.localName;
  if (name !== 'input') return name === 'textarea' || name === 'select';
  return !UNKEPT.includes(one.type) && !SECRET.test(one.autocomplete);
}

function isBox(field) {
  return field.type === 'checkbox' || field.type === 'radio';
}

// Whether the user has changed the field; untouched fields keep the server's value.
function isTyped(one) {
  if (isTouched(one) || !isField(one)) return isTouched(one);
  if (one.localName === 'select') {
    const isFirst = one.selectedIndex <= 0 && !one.querySelector('[selected]');
    return !isFirst && [...one.options].some(option => option.selected !== option.defaultSelected);
  }
  return isBox(one) ? one.checked !== one.defaultChecked : one.value !== initial(one);
}

// `defaultValue` is not used: for a slider or a colour without `value=` it is empty.
function initial(field) {
  if (field.localName !== 'input') return field.defaultValue;
  const untouched = document.createElement('input');
  for (const name of INITIAL) {
    if (field.hasAttribute(name)) untouched.setAttribute(name, field.getAttribute(name));
  }
  return untouched.value;
}

function value(field) {
  if (field.localName === 'details') return field.open;
  if (field.localName === 'select') return [...field.selectedOptions].map(option => option.value);
  if (isField(field)) return isBox(field) ? field.checked : field.value;
  return field.innerHTML;
}

// Frameworks are notified by the events that they listen to: React by "click" of the boxes that it
// watches, all of them by "change" of boxes and lists, and by "input" of text.
function fill(field, kept) {
  touched.add(field);
  if (field.localName === 'details') {
    field.open = kept;
  } else if (field.localName === 'select') {
    for (const option of field.options) option.selected = kept.includes(option.value);
    notify(field, 'input', 'change');
  } else if (!isField(field)) {
    field.innerHTML = kept;
    notify(field, 'input');
  } else if (!isBox(field)) {
    set(field, 'value', initial(field), kept);
    notify(field, 'input');
  } else if (kept || field.type === 'checkbox') { // a radio button is unchecked by another one
    set(field, 'checked', !kept, kept);
    notify(field, ...Object.hasOwn(field, 'checked') ? ['click'] : [], 'input', 'change');
  }
}

// React's own setter, on the element, records a value as known, and React ignores events of a known
// value: so the old value is set by that setter, and the new one by the setter of the prototype.
function set(field, name, before, value) {
  field[name] = before;
  Reflect.set(Object.getPrototypeOf(field), name, value, field);
}

function notify(field, ...types) {
  unsent(() => {
    for (const type of types) {
      const event = new Event(type, {bubbles: true, composed: true});
      synthetic.add(event);
      field.dispatchEvent(event);
    }
  });
}

const synthetic = new WeakSet(); // events

// htmx (versions 1 and 2, and 4) fires this before it sends, maybe later than the event behind it.
function withhold(event) {
  const {triggeringEvent, ctx} = event.detail ?? {};
  if (!synthetic.has(triggeringEvent ?? ctx?.sourceEvent)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}

// A page may submit its form upon "change" or "click", which only the user may cause.
function unsent(act) {
  const forms = window.HTMLFormElement.prototype;
  const {submit} = forms;
  const stop = event => {
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  addEventListener('submit', stop, {capture: true});
  forms.submit = () => {};
  try {
    act();
  } finally {
    forms.submit = submit;
    removeEventListener('submit', stop, {capture: true});
  }
}

// The key that identifies a field, also after the form was edited: its shadow root and form, its
// type, and its name or label.
function identity(field) {
  const {form, localName, type, name, id, ariaLabel, labels, placeholder} = field;
  const host = field.getRootNode().host;
  const text = [...labels ?? [], ...field.querySelectorAll(':scope > summary')][0]?.textContent.trim();
  return JSON.stringify([
    host ? path(host) : '',
    ['id', 'name', 'action'].map(attribute => form?.getAttribute(attribute)),
    localName, type, isBox(field) ? field.value : '', name || id || ariaLabel || text || placeholder,
  ]);
}

// Fields by identity. Several with the same one, as in the rows of a table, are told apart by index.
function identified(root) {
  const all = new Map();
  for (const one of elements(root)) {
    if (!isField(one) && !one.matches('details, [contenteditable]')) continue;
    const key = identity(one);
    all.set(key, [...all.get(key) ?? [], one]);
  }
  return all;
}
