// What a reload would lose: where one has scrolled to, and what one has typed. It is kept once, over
// a reload of ours. Passwords, files and hidden fields never are.

const RESTORE_MS = 2000; // how long scripts of the page may take to build it
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
  } catch { /* another origin's frame, or no storage */ }
}

function restore() {
  let kept;
  try {
    kept = JSON.parse(sessionStorage.getItem(place()));
    sessionStorage.removeItem(place());
  } catch { /* no storage */ }
  if (kept?.url !== location.href) return;
  // Whoever acts in the meantime is right.
  const end = performance.now() + RESTORE_MS;
  let isActed = false;
  for (const type of ACTS) {
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
  if (kept.fields.length || kept.focus) restoreFields(kept);
  const missing = kept.scrolls.filter(([at, left, top]) => {
    const one = find(at);
    one?.scrollTo({left, top, behavior: 'instant'});
    return !one || Math.abs(one.scrollTop - top) > 1 || Math.abs(one.scrollLeft - left) > 1;
  });
  const isComplete = document.readyState === 'complete';
  return isComplete && !kept.fields.length && !kept.focus && !missing.length;
}

function restoreFields(kept) {
  const all = identified(document);
  // Of another number of fields with this identity, which one it was cannot be told.
  const field = ([key, index, count]) => all.get(key)?.length === count && all.get(key)[index];
  kept.fields = kept.fields.filter(old => {
    const one = field(old);
    if (!one) return true;
    if (!isTyped(one)) fill(one, old[3]);
    return false;
  });
  const active = kept.focus && field(kept.focus);
  if (!active) return;
  kept.focus = null;
  active.focus({preventScroll: true});
}
