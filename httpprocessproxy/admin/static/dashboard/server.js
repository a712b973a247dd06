// The state of the server, and its history.

const NAMES = {running: 'Running', loading: 'Starting', killing: 'Stopping', error: 'Not running'};
const COLOURS = {running: '#22a35a', loading: '#3b82f6', killing: '#e0930f', error: '#dc3a3a'};
const MAX_STATES = 200;

let states = []; // the messages, the newest first

function enter(message) {
  states.unshift(message);
  states.length = Math.min(states.length, MAX_STATES);
  the('restart').disabled = false;
  complain('');
  showState();
  showHistory();
  showRestarts();
}

function away() {
  lightUp('away', 'No answer', '#8b929c');
  the('why').textContent = 'The proxy does not answer. This page comes back when it does.';
  the('facts').textContent = '';
}

function showState() {
  const now = states[0];
  lightUp(now.state, NAMES[now.state], COLOURS[now.state]);
  the('why').textContent = explain(now);
  const link = element('a', {href: '#output'}, 'what it printed');
  the('facts').replaceChildren(`start ${now.generation}${warmth(now.start)}, since `, clock(now.time),
    ...(now.state === 'error' ? [': ', link] : []));
}

function warmth(start) {
  if (!start?.warm) return '';
  return start.saved_ms > 0 ? ` (warm, ${milliseconds(start.saved_ms)} saved)` : ' (warm)';
}

function explain({state, why, reason, paths, restart}) {
  const after = paths.length ? `, after a change of ${several(paths)}` : '';
  if (state === 'error') return (reason || why) + after;
  if (state === 'running' && restart?.total_ms) return `restarted in ${milliseconds(restart.total_ms)}${after}`;
  return why;
}

function lightUp(state, name, colour) {
  document.documentElement.dataset.state = state;
  document.title = `${name} – ${location.host}`;
  // A live region announces each write, also of the same text.
  if (the('state').textContent !== name) the('state').textContent = name;
  const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="3" fill="${colour}"/></svg>`;
  document.querySelector('link[rel=icon]').href = `data:image/svg+xml,${encodeURIComponent(icon)}`;
}

function several([first, ...others]) {
  return others.length ? `${first} and ${others.length} more` : first;
}

function showHistory() {
  the('history').replaceChildren(...states.map(({state, time, why}) =>
    element('li', {className: state}, clock(time), element('b', {}, NAMES[state]), ` ${why}`)));
  the('strip').replaceChildren(...states.slice(0, 40).reverse().map((state, at, shown) => {
    const lasted = (shown[at + 1]?.at_ms ?? state.at_ms + 1000) - state.at_ms;
    const piece = element('i', {className: state.state, title: `${NAMES[state.state]}: ${state.why}`});
    // Logarithmic, so that a restart of milliseconds is visible beside hours without one.
    piece.style.flexGrow = Math.log2(2 + lasted);
    return piece;
  }));
}

the('restart').onclick = () => {
  the('restart').disabled = true;
  ask('restart', 'POST').catch(() => { the('restart').disabled = false; });
};
