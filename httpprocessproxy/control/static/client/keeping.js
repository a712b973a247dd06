// What a reload would lose: where one has scrolled to, and what one has typed. It is kept once, over
// a reload of ours. Passwords, files and hidden fields never are.

const RESTORE_MS = 2000; // how long scripts of the page may take to build it

const SECRET = /^(cc-|one-time-code)|password/;
const UNKEPT = ['password', 'file', 'hidden', 'submit', 'button', 'reset', 'image'];

// The same frame has the same name after a reload.
function place({parent, self}) {
  if (parent === self) return 'http-process-proxy';
  let index = 0;
  while (index < parent.length && parent[index] !== self) index++;
  return `${place(parent)}.${index}`;
}

function keep(frame) {
  try {
    const all = [...frame.document.querySelectorAll('*')];
    const kept = {
      url: frame.location.href,
      scrolls: all.filter(one => one.scrollTop || one.scrollLeft)
        .map(one => [path(one), one.scrollLeft, one.scrollTop]),
      fields: all.filter(isTyped).map(field => [path(field), value(field)]),
      focus: isField(frame.document.activeElement) ? path(frame.document.activeElement) : '',
    };
    sessionStorage.setItem(place(frame), JSON.stringify(kept));
    for (let index = 0; index < frame.length; index++) keep(frame[index]);
  } catch { /* another origin's frame, or no storage */ }
}

function isField(one) {
  const name = one?.localName;
  if (name !== 'input') return name === 'textarea' || name === 'select';
  return !UNKEPT.includes(one.type) && !SECRET.test(one.autocomplete);
}

// What one has not touched is the server's to say.
function isTyped(one) {
  if (!isField(one)) return false;
  if (one.localName === 'select') {
    const isFirst = one.selectedIndex <= 0 && !one.querySelector('[selected]');
    return !isFirst && [...one.options].some(option => option.selected !== option.defaultSelected);
  }
  return isBox(one) ? one.checked !== one.defaultChecked : one.value !== one.defaultValue;
}

function isBox(field) {
  return field.type === 'checkbox' || field.type === 'radio';
}

function value(field) {
  if (field.localName !== 'select') return isBox(field) ? field.checked : field.value;
  return [...field.selectedOptions].map(option => option.value);
}

function fill(field, kept) {
  if (field.localName === 'select') {
    for (const option of field.options) option.selected = kept.includes(option.value);
  } else if (isBox(field)) {
    field.checked = kept;
  } else {
    field.value = kept;
  }
  // Not "change", upon which a page may send the form.
  field.dispatchEvent(new Event('input', {bubbles: true}));
}

// A selector that finds the same element again.
function path(element) {
  const steps = [];
  for (let one = element; one; one = one.parentElement) {
    const id = one.getAttribute('id');
    if (id && one.ownerDocument.querySelectorAll(`#${CSS.escape(id)}`).length === 1) {
      return [`#${CSS.escape(id)}`, ...steps].join(' > ');
    }
    let number = 1;
    for (let other = one; (other = other.previousElementSibling);) {
      number += other.localName === one.localName;
    }
    steps.unshift(`${CSS.escape(one.localName)}:nth-of-type(${number})`);
  }
  return steps.join(' > ');
}

function restore() {
  let kept;
  try {
    kept = JSON.parse(sessionStorage.getItem(place(window)));
    sessionStorage.removeItem(place(window));
  } catch { /* no storage */ }
  if (kept?.url !== location.href) return;
  // Whoever acts in the meantime is right.
  const end = performance.now() + RESTORE_MS;
  let isActed = false;
  for (const type of ['keydown', 'pointerdown', 'touchstart', 'wheel']) {
    addEventListener(type, () => { isActed = true; }, {once: true, capture: true, passive: true});
  }
  const again = () => {
    if (isActed || restored(kept)) return;
    if (document.readyState !== 'complete' || performance.now() < end) setTimeout(again, 50);
  };
  again();
}

// Restore what the page has by now, and tell whether that is all.
function restored(kept) {
  kept.fields = kept.fields.filter(([selector, old]) => {
    const field = document.querySelector(selector);
    if (!isField(field)) return true;
    if (!isTyped(field)) fill(field, old);
    return false;
  });
  const focused = kept.focus && document.querySelector(kept.focus);
  if (focused) {
    kept.focus = '';
    focused.focus({preventScroll: true});
  }
  const missing = kept.scrolls.filter(([selector, left, top]) => {
    const one = document.querySelector(selector);
    one?.scrollTo({left, top, behavior: 'instant'});
    return !one || Math.abs(one.scrollTop - top) > 1 || Math.abs(one.scrollLeft - left) > 1;
  });
  const isComplete = document.readyState === 'complete';
  return isComplete && !kept.fields.length && !kept.focus && !missing.length;
}
