// The services as tabs, if there are several: all of them, or the chosen one. The address of the
// page has the choice, so that a reload keeps it.

const RANKS = ['error', 'killing', 'loading', 'running', 'stopped', 'idle', 'external']; // the worst first
const HUES = ['#7cb0ff', '#4ade80', '#fbbf4a', '#e0a8f3', '#7fe0ea', '#ff9d95'];

let services = []; // the proxy's list of them
let chosen = new URLSearchParams(location.search).get('service') ?? ''; // a name, or '' for all
const latest = new Map(); // the last state of each service, by its name
const builds = new Map(); // the last build (--before) of each that has one, by its name

function isShown(service) {
  return !chosen || !service || service === chosen;
}

function areSeveral() {
  return services.length > 1;
}

function meetServices(message) {
  services = message.services;
  latest.clear();
  builds.clear();
  for (const {service, build} of message.builds) builds.set(service, build);
  for (const state of [message.state, ...message.other_states]) if (state) latest.set(state.service, state);
  for (const {name} of services.filter(({external}) => external)) {
    latest.set(name, {service: name, state: 'external', why: 'the proxy does not start it', paths: []});
  }
  if (!areSeveral() || !services.some(({name}) => name === chosen)) chosen = '';
  the('tabs').hidden = !areSeveral();
  if (!areSeveral()) return;
  the('panel').setAttribute('role', 'tabpanel');
  the('tabs').replaceChildren(...['', ...services.map(({name}) => name)].map(tab));
}

function tab(name, index) {
  const button = element('button', {
    id: `tab-${index}`, role: 'tab', className: 'tab', onclick: () => choose(name),
  }, element('i', {ariaHidden: 'true'}), element('span', {}, name || 'All'), element('small'));
  button.dataset.service = name;
  button.setAttribute('aria-controls', 'panel');
  return button;
}

function choose(name) {
  chosen = name;
  const query = name ? `?service=${encodeURIComponent(name)}` : location.pathname;
  history.replaceState(null, '', query);
  showChoice();
}

function showChoice() {
  document.documentElement.dataset.services = !areSeveral() ? 'one' : chosen ? 'chosen' : 'all';
  const commands = services.filter(({name}) => isShown(name)).map(({command}) => command);
  the('command').textContent = commands.length === 1 ? commands[0] : `${commands.length} services`;
  const isExternal = stateOf(chosen)?.state === 'external';
  the('stop').hidden = !areSeveral() || !chosen || isExternal;
  the('restart').hidden = isExternal;
  the('restart').textContent = areSeveral() && !chosen ? 'Restart all' : 'Restart';
  for (const button of the('tabs').children) {
    const isChosen = button.dataset.service === chosen;
    button.setAttribute('aria-selected', isChosen);
    button.tabIndex = isChosen ? 0 : -1;
    if (isChosen) the('panel').setAttribute('aria-labelledby', button.id);
  }
  showStates();
  showNotices();
  applyFilter();
  showOutput();
}

// The word and the colour of each service's state. Those of all are the worst one's.
function showTabs() {
  for (const button of the('tabs').children) {
    const state = stateOf(button.dataset.service)?.state ?? 'away';
    button.querySelector('i').className = state;
    button.querySelector('small').textContent = [NAMES[state], ...buildWords(button.dataset.service)].join(', ');
  }
}

// The state of a service, or, without a name, the worst of all.
function stateOf(name) {
  if (name) return latest.get(name);
  const rank = ({state}) => RANKS.indexOf(state);
  return [...latest.values()].sort((one, other) => rank(one) - rank(other))[0];
}

function hearBuild({service, build}) {
  builds.set(service, build);
  showTabs();
  showState();
}

// Words about the last build of a service, unless it has succeeded.
function buildWords(service) {
  const build = builds.get(service);
  if (build?.state === 'failed') return ['build failed'];
  return build?.state === 'running' ? ['building'] : [];
}

function hueOf(service) {
  return HUES[services.findIndex(({name}) => name === service) % HUES.length];
}

the('tabs').onkeydown = event => {
  const tabs = [...the('tabs').children];
  const at = tabs.indexOf(document.activeElement);
  const next = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1}[event.key];
  if (next === undefined) return;
  event.preventDefault();
  const wanted = tabs.at(next % tabs.length);
  choose(wanted.dataset.service);
  wanted.focus();
};

// Controls

the('restart').onclick = () => {
  const paths = areSeveral()
    ? services.filter(({name, external}) => isShown(name) && !external).map(({name}) => `${pathOf(name)}/restart`)
    : ['restart'];
  order(the('restart'), paths);
};

the('stop').onclick = () => {
  const verb = the('stop').textContent === 'Start' ? 'start' : 'stop';
  order(the('stop'), [`${pathOf(chosen)}/${verb}`]);
};

function pathOf(name) {
  return `services/${encodeURIComponent(name)}`;
}

function order(button, paths) {
  button.disabled = true;
  Promise.all(paths.map(path => ask(path, 'POST'))).catch(() => { button.disabled = false; });
}
