// Changed files that need no restart: style sheets and images that the page names are swapped in
// place, other files reload the page. A new one replaces the old once it is loaded: no flash.

const IMAGE = /\.(apng|avif|bmp|gif|ico|jpe?g|png|svg|webp)$/i;
const STYLE = /\.css$/i;
const outgoing = new WeakSet(); // style elements to remove when their successors are loaded

// URLs that the page has loaded: its scripts have requested those that it names nowhere.
const loaded = new Set();

function watchLoads() {
  new PerformanceObserver(list => {
    for (const {name} of list.getEntries()) {
      const {pathname} = new URL(name);
      if (IMAGE.test(pathname) || STYLE.test(pathname)) loaded.add(name);
    }
  }).observe({type: 'resource', buffered: true});
}

async function refresh(paths) {
  if (!paths.every(path => STYLE.test(path) || IMAGE.test(path))) return isLed() || reload();
  const isSwapped = await Promise.all(paths.map(path => (IMAGE.test(path) ? swapImages : swapStyles)(path)));
  // A frame has sheets of its own, so it does not leave the reload to the page around it.
  if (!isSwapped.every(Boolean)) reload();
}

// Return whether the page shows the change. A sheet that the page does not name may be the source of
// one that it names.
async function swapStyles(path) {
  const sheets = [...styleSheets()];
  const found = closest([...sheets, ...[...loaded].map(url => [url, null])], path);
  const named = found.filter(Boolean);
  if (named.length) return (await Promise.all(named.map(swapStyle))).every(result => result !== FAILED);
  if (found.length) return false;
  const isOurs = ([url]) => new URL(url).host === location.host;
  const all = new Set(sheets.filter(isOurs).map(([, {element}]) => element));
  const results = await Promise.all([...all].map(element => swapStyle({element})));
  return results.includes(CHANGED);
}

const [CHANGED, SAME, FAILED] = ['changed', 'same', 'failed'];

// [url, {element, imported}] of each sheet: its <link>, or the element of the sheet that imports it.
function* styleSheets() {
  for (const root of roots()) {
    for (const element of root.querySelectorAll('link[rel~=stylesheet i][href]')) {
      if (!outgoing.has(element)) yield [element.href, {element}];
    }
    for (const sheet of root.styleSheets) {
      if (outgoing.has(sheet.ownerNode)) continue;
      for (const {styleSheet} of rules([sheet])) {
        if (styleSheet?.href) yield [styleSheet.href, {element: sheet.ownerNode, imported: styleSheet.href}];
      }
    }
  }
}

// Reload the sheet of an element by a successor element, and return the result.
async function swapStyle({element, imported}) {
  // A digest (SRI) rejects the new sheet, and rules made by scripts are not in the text.
  if (element.integrity || !isCopyable(element)) return FAILED;
  if (imported) await fetch(imported, {cache: 'reload', mode: 'no-cors'}).catch(() => {}); // into the cache
  if (outgoing.has(element)) return SAME; // another file of the same save has replaced it
  if (element.disabled) {
    if (element.href) element.href = fresh(element.href);
    return CHANGED;
  }
  const successor = element.cloneNode(true);
  if (element.href) successor.href = fresh(element.href);
  outgoing.add(element);
  return new Promise(resolve => {
    successor.onload = () => {
      const isSame = text(element.sheet) === text(successor.sheet);
      element.remove();
      resolve(isSame ? SAME : CHANGED);
    };
    successor.onerror = () => {
      outgoing.delete(element);
      successor.remove();
      resolve(SAME);
    };
    element.after(successor);
  });
}

function isCopyable({localName, textContent}) {
  return localName === 'link' || (localName === 'style' && textContent.includes('@import'));
}

function text(sheet) {
  return sheet ? [...rules([sheet])].map(rule => rule.cssText).join('\n') : '';
}

function* rules(of) {
  for (const one of of) {
    if (one.parentStyleSheet) yield one;
    const inner = one.styleSheet ?? one;
    try {
      if (inner.cssRules) yield* rules(inner.cssRules);
    } catch { /* a sheet of another origin */ }
  }
}

// The candidates [url, thing] whose URLs share the longest ending with the path of the file.
function closest(candidates, path) {
  const rated = candidates.map(([url, thing]) => [likeness(url, path), thing]);
  const best = Math.max(1, ...rated.map(([rate]) => rate));
  return rated.filter(([rate]) => rate === best).map(([, thing]) => thing);
}

function likeness(url, path) {
  const theirs = path.toLowerCase().split('/').reverse();
  try {
    const {pathname} = new URL(url, document.baseURI);
    const ours = decodeURIComponent(pathname).toLowerCase().split('/').reverse();
    const at = ours.findIndex((name, index) => !name || name !== theirs[index]);
    return at < 0 ? ours.length : at;
  } catch { // not a URL
    return 0;
  }
}

// The URL with a query that bypasses the cache. The cached copy is renewed for the next load.
function fresh(url) {
  renewCopy(new URL(url, document.baseURI));
  const [, rest, hash] = /^([^#]*)(.*)$/.exec(url);
  const bare = rest.replace(/[?&]hpp=\w+$/, '');
  return `${bare}${bare.includes('?') ? '&' : '?'}hpp=${Date.now().toString(36)}${hash}`;
}
