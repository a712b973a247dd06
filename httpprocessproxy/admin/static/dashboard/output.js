// The output of the services: coloured, searchable, followed unless the user scrolls up.

const MAX_LINES = 3000; // of each service
const output = the('output');

const outputs = new Map(); // the output of each service, by its name
let isFollowing = true;

class ServiceOutput {
  lines = []; // the elements
  unended = {stdout: '', stderr: ''}; // the last, incomplete line of each stream
  styles = ''; // styles in effect at the end of a line, which continue in the next

  constructor(service) {
    this.service = service;
    this.folder = services.find(({name}) => name === service).folder;
  }

  add(stream, text, isTail) {
    const texts = (this.unended[stream] + text).split(/\r?\n/);
    const last = texts.pop();
    if (!isTail) this.unended[stream] = last;
    else if (last) texts.push(last);
    const lines = texts.map(line => this.line(line, stream));
    output.append(...lines);
    this.lines.push(...lines);
    for (const old of this.lines.splice(0, this.lines.length - MAX_LINES)) old.remove();
  }

  line(text, stream) {
    const line = element('div', {className: stream}, draw(this.styles + text, this.folder));
    line.dataset.service = this.service;
    line.style.setProperty('--of', hueOf(this.service));
    for (const [sequence] of text.matchAll(/\x1b\[[0-9;:]*m/g)) {
      this.styles = /^\x1b\[0*m$/.test(sequence) ? '' : (this.styles + sequence).slice(-200);
    }
    fits(line);
    return line;
  }

  remove() {
    for (const line of this.lines) line.remove();
  }
}

function hearOutput({service, stream, text, is_tail: isTail}) {
  if (isTail) {
    outputs.get(service)?.remove();
    outputs.set(service, new ServiceOutput(service));
  }
  outputs.get(service).add(stream, text, isTail);
  follow();
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
  line.hidden = !isShown(line.dataset.service) || !line.textContent.toLowerCase().includes(wanted);
  return !line.hidden;
}

function showOutput() {
  const found = [...output.children].filter(fits).length;
  the('found').textContent = the('search').value ? `${found} line${found === 1 ? '' : 's'}` : '';
  follow();
}

the('search').oninput = showOutput;
