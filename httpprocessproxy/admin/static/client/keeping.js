// State that a reload would lose: scroll positions, and text that the user has typed. It is kept
// across one reload by this script. Passwords, files and hidden fields never are.

const RESTORE_MS = 2000; // the time that scripts of the page may take to build it
const ACTS = ['keydown', 'pointerdown', 'touchstart', 'wheel'];

function keep(frame, name) {
  try {
    const fields = [...identified(frame.document)];
    const active = focused(frame.document);
    const kept = {
      url: frame.location.href,
      scrolls: [...elements(frame.document)].filter(one => one.scrollTop || one.scrollLeft)
        .map(one => [path(one), one.scrollLeft, one.scrollTop]),
      fields: fields.flatMap(([key, all]) => all
        .flatMap((one, index) => isTyped(one) ? [[key, index, all.length, value(one)]] : [])),
      focus: fields.flatMap(([key, all]) => all.includes(active)
        ? [[key, all.indexOf(active), all.length]] : [])[0],
    };
    sessionStorage.setItem(name, JSON.stringify(kept));
    for (let index = 0; frame[index]; index++) keep(frame[index], `${name}.${index}`);
  } catch { /* a frame of another origin, or storage is disabled */ }
}

function restore() {
  let kept;
  try {
    kept = JSON.parse(sessionStorage.getItem(place()));
    sessionStorage.removeItem(place());
  } catch { /* storage is disabled */ }
  if (kept?.url !== location.href) return;
  // An action of the user in the meantime ends the restoring.
  const end = performance.now() + RESTORE_MS;
  let isActed = false;
  for (const type of ACTS) {
    addEventListener(type, () => { isActed = true; }, {once: true, capture: true, passive: true});
  }
  const again = () => {
    if (isActed) return;
    const isComplete = restored(kept);
    const isOver = document.readyState === 'complete' && performance.now() >= end;
    if (!isOver && !(isComplete && !kept.fields.length)) setTimeout(again, isComplete ? 200 : 50);
  };
  again();
}

// Restore all that the page has by now, and return whether that is complete. The fields are not
// forgotten: scripts may still replace them, or take them over.
function restored(kept) {
  const isFound = !kept.fields.length && !kept.focus || restoreFields(kept);
  const missing = kept.scrolls.filter(([at, left, top]) => {
    const one = find(at);
    one?.scrollTo({left, top, behavior: 'instant'});
    return !one || Math.abs(one.scrollTop - top) > 1 || Math.abs(one.scrollLeft - left) > 1;
  });
  const isComplete = document.readyState === 'complete' && isFound && !missing.length;
  if (isComplete) kept.scrolls = [];
  return isComplete;
}

function restoreFields(kept) {
  const all = identified(document);
  // If the number of fields with this identity has changed, the field is ambiguous.
  const field = ([key, index, count]) => all.get(key)?.length === count && all.get(key)[index];
  const found = kept.fields.map(old => [field(old), old[3]]).filter(([one]) => one);
  for (const [one, value] of found) refill(one, value);
  const active = kept.focus && field(kept.focus);
  if (active && active !== kept.active) active.focus({preventScroll: true});
  kept.active = active;
  return found.length === kept.fields.length && Boolean(active) === Boolean(kept.focus);
}

const MAX_FILLS = 3; // a page may refuse a value each time
const fills = new WeakMap(); // field -> number of fills, value before, number of properties after

// Fill a field once, and again when a framework has taken it over, which leaves properties on it, or
// has put back the value that was in it before.
function refill(field, kept) {
  const is = other => JSON.stringify(value(field)) === JSON.stringify(other);
  const {times = 0, before = value(field), properties} = fills.get(field) ?? {};
  const isNew = properties !== Reflect.ownKeys(field).length;
  if (times === MAX_FILLS || is(kept) && !isNew) return;
  if (times ? !isNew && !is(before) : isTyped(field) && !is(kept)) return;
  if (times || !is(kept)) fill(field, kept);
  fills.set(field, {times: times + 1, before, properties: Reflect.ownKeys(field).length});
}
