// The state of the services that are shown, and its history.

const NAMES = {
  running: 'Running', loading: 'Starting', killing: 'Stopping', error: 'Not running',
  stopped: 'Stopped', idle: 'Idle', external: 'External', away: 'Not known',
};
const COLOURS = {running: '#22a35a', loading: '#3b82f6', killing: '#e0930f', error: '#dc3a3a'};
const AWAY = '#8b929c';
const MAX_STATES = 500;
const MAX_SHOWN = 200;

let states = []; // the messages, the newest first

function enter(message) {
  states.unshift(message);
  states.length = Math.min(states.length, MAX_STATES);
  latest.set(message.service, message);
  if (isShown(message.service)) the('restart').disabled = the('stop').disabled = false;
  complain('');
  showStates();
}

function showStates() {
  showTabs();
  showState();
  showHistory();
  showRestarts();
}

function shownStates() {
  return states.filter(({service}) => isShown(service));
}

function away() {
  lightUp('away', 'No answer');
  entitle('No answer', AWAY);
  the('why').textContent = 'The proxy does not answer. This page comes back when it does.';
  the('facts').textContent = '';
}

function showState() {
  const worst = stateOf('');
  const now = stateOf(chosen);
  if (!now) return;
  const of = areSeveral() && worst.state !== 'running' ? `${worst.service}: ` : '';
  entitle(of + NAMES[worst.state], COLOURS[worst.state] ?? AWAY);
  lightUp(now.state, NAMES[now.state]);
  the('stop').textContent = now.state === 'stopped' ? 'Start' : 'Stop';
  if (areSeveral() && !chosen) return showAll(now);
  the('why').textContent = explain(now);
  the('facts').replaceChildren();
  if (now.state === 'external') return;
  const link = element('a', {href: '#output'}, 'what it printed');
  the('facts').replaceChildren(`start ${now.generation}${warmth(now.start)}, since `, clock(now.time),
    ...(now.state === 'error' ? [': ', link] : []), ...buildNote(builds.get(now.service)));
}

// The worst state of all, and the number of services that run.
function showAll(worst) {
  const running = [...latest.values()].filter(({state}) => state === 'running').length;
  const count = `${running} of ${services.filter(({external}) => !external).length} services run`;
  the('why').textContent = worst.state === 'running' ? count : `${worst.service}: ${explain(worst)}`;
  the('facts').textContent = worst.state === 'running' ? '' : count;
}

function buildNote(build) {
  if (build?.state === 'running') return [', building'];
  return build?.state === 'failed' ? [`; the last build has failed: it ${build.reason}`] : [];
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

function lightUp(state, name) {
  document.documentElement.dataset.state = state;
  // A live region announces each write, also of the same text.
  if (the('state').textContent !== name) the('state').textContent = name;
}

// The title and the icon of the tab in the browser.
function entitle(text, colour) {
  document.title = `${text} – ${location.host}`;
  const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="3" fill="${colour}"/></svg>`;
  document.querySelector('link[rel=icon]').href = `data:image/svg+xml,${encodeURIComponent(icon)}`;
}

function several([first, ...others]) {
  return others.length ? `${first} and ${others.length} more` : first;
}

function showHistory() {
  const all = shownStates().slice(0, MAX_SHOWN);
  the('history').replaceChildren(...all.map(({service, state, time, why}) =>
    element('li', {className: state}, clock(time), nameTag(service), element('b', {}, NAMES[state]), ` ${why}`)));
  the('strip').replaceChildren(...all.slice(0, 40).reverse().map((state, at, shown) => {
    const lasted = (shown[at + 1]?.at_ms ?? state.at_ms + 1000) - state.at_ms;
    const piece = element('i', {className: state.state, title: `${NAMES[state.state]}: ${state.why}`});
    // Logarithmic, so that a restart of milliseconds is visible beside hours without one.
    piece.style.flexGrow = Math.log2(2 + lasted);
    return piece;
  }));
}

// The name of a service before something of it, shown if those of all are.
function nameTag(service) {
  return element('span', {className: 'of'}, service ? `${service} ` : '');
}
