// Terminal output, coloured as in a terminal (ECMA-48 section 8.3.117), with links to the places in
// files that it names. It is text, and stays text, whatever the server prints.

const CONTROL = new RegExp([
  '\\x1b\\[([0-9;:]*)m', // a style
  '\\x1b[\\]PX^_][^\\x07\\x1b\\n]*(?:\\x07|\\x1b\\\\)?', // titles, links
  '\\x1b\\[[0-?]*[ -/]*[@-~]?',
  '\\x1b[ -/]*[0-~]?',
  '[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]',
].join('|'), 'g');
const PALETTE = ('5c6370 f0717b 98c379 e5b567 6cb2f7 c98be0 56c2cf c8cdd5 '
  + '828997 ff8f98 b5e08f ffd285 92c9ff e0a8f3 7fe0ea ffffff').split(' ').map(hex => `#${hex}`);
const PLACE = new RegExp([
  'File "([^"<]+)", line (\\d+)', // Python
  // main.go:12, ./a/b.rs:1:2, /a/b.js:1:2, file:///a/b.mjs:1:2, but not example.com:80
  '(?<![\\w:/.@-])(?:file://)?((?:\\.{0,2}/|[\\w.@+-]+/)[^\\s:"\'()[\\]]*\\.[a-z]\\w*'
    + '|[\\w.@+-]+\\.(?:[ch]|cc|cpp|cs|css|exs?|go|html?|java|[cm]?jsx?|kt|lua|php|py|rb|rs|[cm]?tsx?|vue))'
    + ':(\\d+)(?::(\\d+))?',
].join('|'), 'gi');

function* runs(text) {
  let style = {};
  let start = 0;
  for (const control of text.matchAll(CONTROL)) {
    if (control.index > start) yield [text.slice(start, control.index), style];
    start = control.index + control[0].length;
    if (control[1] !== undefined) style = restyled(style, control[1].split(/[;:]/).map(Number));
  }
  if (start < text.length) yield [text.slice(start), style];
}

function restyled(style, codes) {
  for (let code = codes.shift(); code !== undefined; code = codes.shift()) {
    const slot = code % 60 < 40 ? 'color' : 'background';
    if (code === 0) style = {};
    else if (code === 1) style = {...style, fontWeight: 'bold'};
    else if (code === 2) style = {...style, opacity: '.65'};
    else if (code === 3) style = {...style, fontStyle: 'italic'};
    else if (code === 4) style = {...style, textDecoration: 'underline'};
    else if (code === 22) style = {...style, fontWeight: '', opacity: ''};
    else if (code === 23) style = {...style, fontStyle: ''};
    else if (code === 24) style = {...style, textDecoration: ''};
    else if (code === 38 || code === 48) style = {...style, [slot]: fineColour(codes)};
    else if (code === 39 || code === 49) style = {...style, [slot]: ''};
    else if (code >= 30 && code < 50) style = {...style, [slot]: PALETTE[code % 10]};
    else if (code >= 90 && code < 108) style = {...style, [slot]: PALETTE[8 + code % 10]};
  }
  return style;
}

// 5;N of 256 colours, or 2;R;G;B.
function fineColour(codes) {
  if (codes.shift() === 2) return `rgb(${codes.splice(0, 3)})`;
  const number = codes.shift();
  if (number < 16) return PALETTE[number];
  if (number > 231) return `rgb(${Array(3).fill((number - 232) * 10 + 8)})`;
  const level = step => (Math.floor((number - 16) / step) % 6) * 51;
  return `rgb(${[level(36), level(6), level(1)]})`;
}

// A place may have several colours, so runs are cut where a link begins and ends.
function draw(output) {
  const spans = [...runs(output.replace(/\r\n?/g, '\n').replace(/^\n+|\s+$/g, ''))];
  const plain = spans.map(([text]) => text).join('');
  const drawn = document.createDocumentFragment();
  let at = 0; // in `plain`
  let run = 0;
  let from = 0; // in that run
  const copy = (end, into) => {
    while (at < end) {
      const [text, style] = spans[run];
      const piece = text.slice(from, from + end - at);
      const span = element('span', {}, piece);
      Object.assign(span.style, style);
      into.append(span);
      at += piece.length;
      from += piece.length;
      if (from === text.length) [run, from] = [run + 1, 0];
    }
  };
  for (const found of plain.matchAll(PLACE)) {
    const [, pythonFile, pythonLine, file, line, column] = found;
    copy(found.index, drawn);
    const link = linkTo(pythonFile ?? file, pythonLine ?? line, column ?? '1');
    copy(found.index + found[0].length, link);
    drawn.append(link);
  }
  copy(plain.length, drawn);
  return drawn;
}

// A link into the editor, or else what copies the place.
function linkTo(file, line, column) {
  if (!hello.editor) return copying(`${file}:${line}`);
  const full = file.startsWith('/') ? file : `${hello.folder}/${file.replace(/^(\.\/)+/, '')}`;
  const parts = {file: full.split('/').map(encodeURIComponent).join('/'), line, column};
  const href = hello.editor.replace(/\{(file|line|column)\}/g, (_, name) => parts[name]);
  const target = /^http/i.test(href) ? '_blank' : '';
  return element('a', {className: 'place', title: 'Open', href, target, rel: 'noreferrer'});
}

// No <button>, for a line may end within it.
function copying(place) {
  const onclick = () => copy(place);
  const onkeydown = event => event.key === 'Enter' && onclick();
  const button = {role: 'button', tabIndex: 0, title: 'Copy', onclick, onkeydown};
  return element('span', {className: 'place', ...button});
}

// navigator.clipboard is for secure pages alone, and a page seen by another machine is none.
function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  addEventListener('copy', event => {
    event.clipboardData.setData('text/plain', text);
    event.preventDefault();
    event.stopImmediatePropagation();
  }, {once: true, capture: true});
  return document.execCommand('copy');
}

// With --browser-console, the output is in the browser's console as well, a line each.

const unfinished = {stdout: '', stderr: ''};

function print({stream, text, is_tail: isTail}) {
  const lines = (unfinished[stream] + text).split(/\r?\n/);
  unfinished[stream] = lines.pop();
  const write = stream === 'stderr' ? console.warn : console.log;
  if (isTail && lines.length) console.groupCollapsed('server: what it has printed so far');
  for (const line of lines) {
    const parts = [...runs(line)];
    const styles = parts.flatMap(([part, {color, background, fontWeight}]) => [
      `color: ${color || 'inherit'}; background: ${background || 'none'}; `
        + `font-weight: ${fontWeight || 'inherit'}`,
      part,
    ]);
    write(`%cserver ${parts.map(() => '%c%s').join('')}`, 'opacity: .6', ...styles);
  }
  if (isTail && lines.length) console.groupEnd();
}
