// The output of the server: coloured, searchable, followed unless the user scrolls up.

const MAX_LINES = 3000;
const output = the('output');

const unended = {stdout: '', stderr: ''}; // the last, incomplete line of each stream
let styles = ''; // styles in effect at the end of a line, which continue in the next
let isFollowing = true;

function hearOutput({stream, text, is_tail: isTail}) {
  if (isTail) clearOutput();
  const lines = (unended[stream] + text).split(/\r?\n/);
  unended[stream] = isTail ? '' : lines.pop();
  output.append(...lines.map(line => outputLine(line, stream)));
  while (output.childElementCount > MAX_LINES) output.firstElementChild.remove();
  follow();
}

function clearOutput() {
  output.replaceChildren();
  Object.assign(unended, {stdout: '', stderr: ''});
  styles = '';
}

function outputLine(text, stream) {
  const line = element('div', {className: stream}, draw(styles + text));
  for (const [sequence] of text.matchAll(/\x1b\[[0-9;:]*m/g)) {
    styles = /^\x1b\[0*m$/.test(sequence) ? '' : (styles + sequence).slice(-200);
  }
  fits(line);
  return line;
}

function follow() {
  if (isFollowing) output.scrollTop = output.scrollHeight;
}

output.onscroll = () => {
  isFollowing = output.scrollHeight - output.scrollTop - output.clientHeight < 24;
  the('follow').hidden = isFollowing;
};
the('follow').onclick = () => {
  isFollowing = true;
  follow();
  output.focus({preventScroll: true});
};

// Search

function fits(line) {
  const wanted = the('search').value.toLowerCase();
  line.hidden = Boolean(wanted) && !line.textContent.toLowerCase().includes(wanted);
  return !line.hidden;
}

the('search').oninput = () => {
  const found = [...output.children].filter(fits).length;
  the('found').textContent = the('search').value ? `${found} line${found === 1 ? '' : 's'}` : '';
  follow();
};
