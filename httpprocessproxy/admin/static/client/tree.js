// The page as a tree: the window among its frames, and elements within open shadow roots.

const ROOT = 'http-process-proxy';
const INTO = ' >>> '; // in a path, from a host into its shadow root

// The windows from the top to this one, with names. A frame has the same name after a reload.
// Windows of other origins can be traversed, too.
function lineage(frame = top, name = ROOT) {
  if (frame === window) return [[frame, name]];
  for (let index = 0; frame[index]; index++) {
    const below = lineage(frame[index], `${name}.${index}`);
    if (below.length) return [[frame, name], ...below];
  }
  return [];
}

function place() {
  return lineage().at(-1)?.[1] ?? ROOT;
}

// Whether an outer page runs this script: it reloads by itself, with this frame.
function isLed() {
  return lineage().slice(0, -1).some(([frame]) => {
    try {
      return frame[GUARD];
    } catch { // a window of another origin
      return false;
    }
  });
}

// All elements of a document, also within open shadow roots, except those of this script.
function* elements(root) {
  for (const one of root.querySelectorAll('*')) {
    if (one.localName === ROOT) continue;
    yield one;
    if (one.shadowRoot) yield* elements(one.shadowRoot);
  }
}

function roots(root = document) {
  return [root, ...[...elements(root)].flatMap(one => one.shadowRoot ?? [])];
}

// The element with the focus, also within open shadow roots.
function focused(root) {
  const one = root.activeElement;
  return one?.shadowRoot?.activeElement ? focused(one.shadowRoot) : one;
}

// A path of selectors that finds the same element after a reload.
function path(element) {
  const root = element.getRootNode();
  const steps = [];
  for (let one = element; one; one = one.parentElement) {
    const id = one.getAttribute('id');
    if (id && root.querySelectorAll(`#${CSS.escape(id)}`).length === 1) {
      steps.unshift(`#${CSS.escape(id)}`);
      break;
    }
    let number = 1;
    for (let other = one; (other = other.previousElementSibling);) {
      number += other.localName === one.localName;
    }
    steps.unshift(`${CSS.escape(one.localName)}:nth-of-type(${number})`);
  }
  return (root.host ? path(root.host) + INTO : '') + steps.join(' > ');
}

function find(path) {
  return path.split(INTO).reduce(
    (one, selector, index) => (index ? one?.shadowRoot : document)?.querySelector(selector), null);
}
