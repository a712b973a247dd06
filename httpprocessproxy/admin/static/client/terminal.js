// Terminal output, coloured as in a terminal (ECMA-48 section 8.3.117). It is text, and stays text, whatever the server prints.

const CONTROL = new RegExp([
  '\\x1b\\[(?<sgr>[0-9;:]*)m', // a style
  '\\x1b[\\]PX^_][^\\x07\\x1b\\n]*(?:\\x07|\\x1b\\\\)?', // titles, links
  '\\x1b\\[(?<parameter>[0-9]*)[0-9;]*(?<final>[A-HJKf])',
  '\\x1b\\[[0-?]*[ -/]*[@-~]?',
  '\\x1b[ -/]*[0-~]?',
  '(?<move>[\\x08\\r])',
  '[\\x00-\\x07\\x0b-\\x1f\\x7f-\\x9f]',
].join('|'), 'g');
const PALETTE = ('5c6370 f0717b 98c379 e5b567 6cb2f7 c98be0 56c2cf c8cdd5 '
  + '828997 ff8f98 b5e08f ffd285 92c9ff e0a8f3 7fe0ea ffffff').split(' ').map(hex => `#${hex}`);
// [text, style] of each run, as a terminal would show it in the end.
function runs(output) {
  const all = [];
  const add = (text, style) => {
    const last = all.at(-1);
    if (last?.[1] === style) last[0] += text;
    else all.push([text, style]);
  };
  laidOut(output).forEach((line, index) => {
    if (index) add('\n', {});
    for (const [character, style] of line) add(character, style);
  });
  return all;
}

function laidOut(output) {
  const screen = new Screen();
  let style = {};
  let start = 0;
  for (const {0: control, index, groups: {sgr, parameter, final, move}} of output.matchAll(CONTROL)) {
    screen.write(output.slice(start, index), style);
    start = index + control.length;
    if (sgr !== undefined) style = restyled(style, sgr.split(/[;:]/).map(Number));
    else if (final || move) screen.obey(final ?? move, parameter);
  }
  screen.write(output.slice(start), style);
  return screen.lines;
}

function restyled(style, codes) {
  for (let code = codes.shift(); code !== undefined; code = codes.shift()) {
    const slot = code % 60 < 40 ? 'color' : 'background';
    if (code === 0) style = {};
    else if (code === 1) style = {...style, fontWeight: 'bold'};
    else if (code === 2) style = {...style, opacity: '.65'};
    else if (code === 3) style = {...style, fontStyle: 'italic'};
    else if (code === 4) style = {...style, textDecoration: 'underline'};
    else if (code === 7 || code === 27) style = {...style, inverse: code === 7};
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

// The style as CSS. Inverse video swaps foreground and background.
function css({inverse, color, background, ...rest}) {
  if (!inverse) return {...rest, color: color ?? '', background: background ?? ''};
  return {...rest, color: background || '#1b1f27', background: color || '#d5dae1'};
}

// navigator.clipboard exists in secure contexts only, and plain HTTP from another machine is none.
function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  addEventListener('copy', event => {
    event.clipboardData.setData('text/plain', text);
    event.preventDefault();
    event.stopImmediatePropagation();
  }, {once: true, capture: true});
  return document.execCommand('copy');
}

// With --browser-console, each line of the output is printed to the browser's console as well.

const unfinished = {stdout: '', stderr: ''};

function print({service, stream, text, is_tail: isTail}) {
  const name = nameOf({service}, 'server');
  const lines = (unfinished[stream] + text).split(/\r?\n/);
  unfinished[stream] = lines.pop();
  const write = stream === 'stderr' ? console.warn : console.log;
  if (isTail && lines.length) console.groupCollapsed(`${name}: what it has printed so far`);
  for (const line of lines) {
    const parts = runs(line).map(([part, style]) => [part, css(style)]);
    const styles = parts.flatMap(([part, {color, background, fontWeight}]) => [
      `color: ${color || 'inherit'}; background: ${background || 'none'}; `
        + `font-weight: ${fontWeight || 'inherit'}`,
      part,
    ]);
    write(`%c${name} ${parts.map(() => '%c%s').join('')}`, 'opacity: .6', ...styles);
  }
  if (isTail && lines.length) console.groupEnd();
}
