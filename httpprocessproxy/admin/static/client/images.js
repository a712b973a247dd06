// Images that changed, swapped in the attributes and styles of the page that name them.

const IMAGE_ATTRIBUTES = [
  ['img, input[type=image], embed', 'src'],
  ['img, source', 'srcset'],
  ['link[rel=preload]', 'imagesrcset'],
  ['link[rel~=icon], link[rel=preload], image, use', 'href'],
  ['video', 'poster'],
  ['object', 'data'],
];
// Each match is one URL. A comma within a URL belongs to it (HTML, section 4.8.4.2.1).
const WHOLE = /^\s*(\S.*?)\s*$/gs;
const IN_SET = /([^\s,](?:\S*[^\s,])?)(?:\s[^,]*)?(?:,|$)/g;
const IN_STYLE = /url\(\s*(?:"((?!data:)[^"]+)"|'((?!data:)[^']+)'|((?!data:)[^"'\s)][^\s)]*))\s*\)/g;

// Return whether the page shows the change, or does not show the image at all.
function swapImages(path) {
  const found = closest([...[...images()].map(one => [one.url, one]), ...[...loaded].map(url => [url, null])], path);
  const named = found.filter(Boolean);
  for (const {url, base, set} of named) {
    const image = new Image();
    const successor = fresh(url);
    image.onload = () => set(successor);
    image.src = new URL(successor, base);
  }
  return named.length > 0 || !found.length;
}

// Generate each place where the page names images, with a function that replaces the URLs there.
function* images() {
  for (const root of roots()) {
    for (const [selector, name] of IMAGE_ATTRIBUTES) {
      for (const element of root.querySelectorAll(`:is(${selector})[${name}]`)) {
        yield* named(name.endsWith('srcset') ? IN_SET : WHOLE, document.baseURI,
          () => element.getAttribute(name), text => element.setAttribute(name, text));
      }
    }
  }
  for (const [style, base] of styles()) {
    for (const name of style) {
      yield* named(IN_STYLE, base, () => style.getPropertyValue(name),
        text => style.setProperty(name, text, style.getPropertyPriority(name)));
    }
  }
}

function* named(pattern, base, read, write) {
  const urlOf = groups => groups.find(Boolean);
  for (const [, ...groups] of (read() ?? '').matchAll(pattern)) {
    const url = urlOf(groups);
    // The text is read again, because other images in it may have been swapped in the meantime.
    const set = successor => write(read().replace(pattern, (whole, ...more) =>
      urlOf(more) === url ? whole.replace(url, () => successor) : whole));
    yield {url, base, set};
  }
}

function* styles() {
  for (const root of roots()) {
    for (const {style} of root.querySelectorAll('[style*="url("]')) yield [style, document.baseURI];
    for (const rule of rules([...root.styleSheets, ...root.adoptedStyleSheets ?? []])) {
      if (rule.style) yield [rule.style, rule.parentStyleSheet.href ?? document.baseURI];
    }
  }
}
