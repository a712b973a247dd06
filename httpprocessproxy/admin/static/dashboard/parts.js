// Functions that all parts of the page use: elements, formatted numbers, requests to the proxy.
// Data from outside becomes text, never HTML.

let hello = {editor: '', folder: ''}; // the proxy's greeting, for links into the editor

const TOKEN = document.querySelector('meta[name=hpp-token]').content;

function the(id) {
  return document.getElementById(id);
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function milliseconds(ms) {
  if (ms === null || ms === undefined) return '';
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3600000) return `${Math.round(ms / 60000)} min`;
  return `${(ms / 3600000).toFixed(1)} h`;
}

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1000000) return `${(bytes / 1000).toFixed(1)} kB`;
  return `${(bytes / 1000000).toFixed(1)} MB`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, {timeStyle: 'medium', hourCycle: 'h23'});

function clock(time) {
  return element('time', {dateTime: time, title: new Date(time).toLocaleString()},
    CLOCK.format(new Date(time)));
}

// Return the JSON of the proxy's response. An error is shown, and thrown.
async function ask(path, method = 'GET') {
  let response;
  try {
    response = await fetch(`/_hpp/${path}`, {
      method, cache: 'no-store', headers: {'Accept': 'application/json', 'X-HPP-Token': TOKEN},
    });
  } catch (error) {
    complain('The proxy does not answer.');
    throw error;
  }
  const answer = await response.json();
  if (response.ok) return answer;
  complain(answer.detail || answer.title);
  throw new Error(answer.title);
}

function complain(text) {
  the('problem').textContent = text;
  the('problem').hidden = !text;
}

// Draw at most ten times a second, however fast events arrive.
function calmly(draw) {
  let timer = 0;
  return () => {
    timer ||= setTimeout(() => {
      timer = 0;
      draw();
    }, 100);
  };
}
