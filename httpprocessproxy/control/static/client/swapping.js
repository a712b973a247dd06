// Changed files that need no restart: style sheets and images are swapped in place, where the page
// names them, and all else reloads the page. A new one takes over when it is loaded: no flash.

const IMAGE = /\.(apng|avif|bmp|gif|ico|jpe?g|png|svg|webp)$/i;
const STYLE = /\.css$/i;
const IMAGE_ATTRIBUTES = [
  ['img, input[type=image], embed', 'src'],
  ['img, source', 'srcset'],
  ['link[rel~=icon], image, use', 'href'],
  ['video', 'poster'],
  ['object', 'data'],
];
const IMPORT_MS = 200;
const outgoing = new WeakSet(); // links that go when their successors are loaded

function refresh(paths) {
  const isSwapped = paths.every(path => STYLE.test(path) || IMAGE.test(path));
  const isDone = isSwapped && paths.every(path => IMAGE.test(path) || swapStyles(path));
  if (!isDone) return isLed() || reload();
  for (const path of paths) if (IMAGE.test(path)) swapImages(path);
}

// Return whether the page has style sheets at all; otherwise it may have the style in itself.
function swapStyles(path) {
  const links = [...document.querySelectorAll('link[rel~=stylesheet i][href]')]
    .filter(link => !outgoing.has(link));
  const imports = [...rules()].filter(rule => rule.styleSheet);
  const found = closest([...links, ...imports].map(one => [one.href, one]), path);
  const isOurs = link => new URL(link.href).host === location.host;
  for (const one of found.length ? found : links.filter(isOurs)) {
    (one.localName ? swapLink : swapImport)(one);
  }
  return found.length + links.length > 0;
}

function swapLink(link) {
  const successor = link.cloneNode();
  successor.href = fresh(link.href);
  successor.onload = () => link.remove();
  successor.onerror = () => {
    outgoing.delete(link);
    successor.remove();
  };
  outgoing.add(link);
  link.after(successor);
}

async function swapImport(rule) {
  const sheet = rule.parentStyleSheet;
  const url = fresh(new URL(rule.href, sheet.href ?? document.baseURI).href);
  try {
    await fetch(url, {mode: 'no-cors'}); // into the cache
  } catch { /* connect-src forbids it */ }
  const indexOf = one => [...sheet.cssRules].indexOf(one);
  sheet.insertRule(rule.cssText.replace(rule.href, url), indexOf(rule));
  // Nobody tells when an import is loaded.
  setTimeout(() => sheet.deleteRule(indexOf(rule)), IMPORT_MS);
}

function swapImages(path) {
  for (const {url, base, set} of closest([...images()].map(one => [one.url, one]), path)) {
    const image = new Image();
    const successor = fresh(url);
    image.onload = () => set(successor);
    image.src = new URL(successor, base);
  }
}

// Where the page names images, and how to name others there.
function* images() {
  for (const [selector, name] of IMAGE_ATTRIBUTES) {
    for (const element of document.querySelectorAll(selector)) {
      const text = () => element.getAttribute(name) ?? '';
      const isSet = name === 'srcset';
      const urls = isSet ? text().split(/,\s+/).map(part => part.split(' ')[0]) : [text()];
      for (const url of urls) {
        const set = other => element.setAttribute(name, text().replace(url, other));
        yield {url, base: document.baseURI, set};
      }
    }
  }
  for (const [style, base] of styles()) {
    for (const name of style) {
      const text = () => style.getPropertyValue(name);
      for (const [, url] of text().matchAll(/url\("?((?!data:)[^")]+)"?\)/g)) {
        const set = other =>
          style.setProperty(name, text().replace(url, other), style.getPropertyPriority(name));
        yield {url, base, set};
      }
    }
  }
}

function* styles() {
  for (const {style} of document.querySelectorAll('[style*="url("]')) {
    yield [style, document.baseURI];
  }
  for (const rule of rules()) {
    if (rule.style) yield [rule.style, rule.parentStyleSheet.href ?? document.baseURI];
  }
}

function* rules(of = document.styleSheets) {
  for (const one of of) {
    if (one.parentStyleSheet) yield one;
    const inner = one.styleSheet ?? one;
    try {
      if (inner.cssRules) yield* rules(inner.cssRules);
    } catch { /* another origin's */ }
  }
}

// Those of [url, thing] whose URLs end most like the path of the file.
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
  } catch { // no URL
    return 0;
  }
}

// The same, but not from the cache, which gets the new one for the next load of the page.
function fresh(url) {
  renewCopy(new URL(url, document.baseURI));
  const [, rest, hash] = /^([^#]*)(.*)$/.exec(url);
  const bare = rest.replace(/[?&]hpp=\w+$/, '');
  return `${bare}${bare.includes('?') ? '&' : '?'}hpp=${Date.now().toString(36)}${hash}`;
}
