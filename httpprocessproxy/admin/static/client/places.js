// Places in files that terminal output names, as links into the editor. An ambiguous place gets no
// link, rather than one to a wrong file.

const LINE = '(?<line>\\d+)';
const LINE_AND_COLUMN = `${LINE}(?::(?<column>\\d+))?`;
// Blanks are part of a path if its beginning and end are certain, but not before another path.
const BLANK_PATH = '(?<file>/(?:(?! \\.{0,2}/)[^:()"\\n])+\\.\\w+)';
const SUFFIXES = '[ch]|cc|cpp|cs|css|dart|erl|exs?|fs|go|hs|html?|java|[cm]?jsx?|kt|lua|ml|nim|php|p[lm]|py|rb'
  + '|rs|scala|svelte|swift|[cm]?tsx?|vb|vue|zig';
const BEFORE = '(?<![\\w:/.@-])';
// The name of a folder may have blanks: a preceding word belongs to it, except one of these.
const ALONE = '(?<=^ ?|[^ ]|[^\\w.)@+-] |(?:^|\\s)(?:at|by|error|file|from|in|on|warning) )';

const PLACES = [
  'File "(?<file>[^"<]+)", line (?<line>\\d+)', // Python
  `\\b(?:in|at) (?<file>/[^:()"\\n]+?\\.\\w+) (?:on )?line ${LINE}`, // PHP, Perl
  `\\bat (?<file>[^\\s:()"]+\\.p[lm]) line ${LINE}`,
  `\\bin ${BLANK_PATH}:line ${LINE}`, // C#
  `\\bin (?<file>/(?:(?! \\.{0,2}/)[^:()"\\n])+\\.php):${LINE}`,
  `\\((?<url>file://)?${BLANK_PATH}:${LINE_AND_COLUMN}\\)`, // Node: at f (/a b/c.js:1:2)
  `^\\s*at (?:async )?(?<url>file://)?${BLANK_PATH}:${LINE_AND_COLUMN}\\s*$`,
  // Node's first line, Go, Ruby: /a b/c.go:3
  `^\\s*(?<url>file://)?${BLANK_PATH}:${LINE_AND_COLUMN}(?=:|\\s*$| \\+0x)`,
  // tsc, MSBuild: a.ts(3,5): error
  `(?:(?<=^\\s*)${BLANK_PATH}|${BEFORE}${ALONE}(?<file2>[\\w.@+/-]+\\.\\w+))\\(${LINE},(?<column>\\d+)\\)(?=:)`,
  // main.go:12, ./a/b.rs:1:2, /a/b.js:1:2, file:///a/b.mjs:1:2, but not example.com:80
  `${BEFORE}(?<url>file://)?(?<file>(?:\\.{0,2}/|${ALONE}[\\w.@+-]+/)[^\\s:"'()[\\]]*\\.[a-z]\\w*`
    + `|${ALONE}[\\w.@+-]+\\.(?:${SUFFIXES})):${LINE_AND_COLUMN}`,
];

// One pattern: the leftmost match wins, and at one position the first alternative. Group names are
// numbered, because a name may be used only once.
const PLACE = new RegExp(
  PLACES.map((source, index) => source.replace(/\(\?<(\w+)>/g, `(?<$1_${index}>`)).join('|'), 'gim');

function* placesIn(text) {
  for (const {0: match, index, groups} of text.matchAll(PLACE)) {
    const {file, file2, url, line, column = '1'} = Object.fromEntries(Object.entries(groups)
      .filter(([, value]) => value !== undefined).map(([name, value]) => [name.split('_')[0], value]));
    yield {0: match, index, file: url ? unquoted(file) : file ?? file2, line, column};
  }
}

function unquoted(url) {
  try {
    return decodeURIComponent(url);
  } catch { // not percent-encoded
    return url;
  }
}

// A place may have several colours, so runs are cut where a link begins and ends. Relative places are
// in the folder of the service that has printed them.
function draw(output, folder = hello.folder) {
  const spans = trimmed(runs(output));
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
      Object.assign(span.style, css(style));
      into.append(span);
      at += piece.length;
      from += piece.length;
      if (from === text.length) [run, from] = [run + 1, 0];
    }
  };
  for (const {0: text, index, file, line, column} of placesIn(plain)) {
    copy(index, drawn);
    const link = linkTo(file, line, column, folder);
    copy(index + text.length, link);
    drawn.append(link);
  }
  copy(plain.length, drawn);
  return drawn;
}

// The runs without the empty lines around them.
function trimmed(spans) {
  const all = spans.map(([text, style]) => [text, style]);
  while (all.length && !all.at(-1)[0].trimEnd()) all.pop();
  if (all.length) all.at(-1)[0] = all.at(-1)[0].trimEnd();
  while (all.length && !all[0][0].replace(/^\n+/, '')) all.shift();
  if (all.length) all[0][0] = all[0][0].replace(/^\n+/, '');
  return all;
}

const MAX_STOPS = 16; // with the buttons, a user passes all of them with 20 presses of Tab

// Only the last places stay in the tab order: they are the most useful ones.
function fewStops(drawn) {
  for (const link of [...drawn.querySelectorAll('.place')].slice(0, -MAX_STOPS)) link.tabIndex = -1;
  return drawn;
}

// A link into the editor, or, without an editor, an element that copies the place.
function linkTo(file, line, column, folder) {
  if (!hello.editor) return copying(`${file}:${line}`);
  const full = file.startsWith('/') ? file : `${folder}/${file.replace(/^(\.\/)+/, '')}`;
  const parts = {file: full.split('/').map(encodeURIComponent).join('/'), line, column};
  const href = hello.editor.replace(/\{(file|line|column)\}/g, (_, name) => parts[name]);
  const target = /^http/i.test(href) ? '_blank' : '';
  return element('a', {className: 'place', title: 'Open', href, target, rel: 'noreferrer'});
}

// It cannot be a <button>, because a line may end within it.
function copying(place) {
  const onclick = () => copy(place);
  const onkeydown = event => event.key === 'Enter' && onclick();
  const button = {role: 'button', tabIndex: 0, title: 'Copy', onclick, onkeydown};
  return element('span', {className: 'place', ...button});
}
