// The page's reaction to states of services. It reloads when another generation runs than the one
// that made it, and in no other case: not after a reconnect, and not to show an error. Services at
// its host may have a part in it; a restart of several, by one save, has one reload at its end. A
// build (--before) reloads nothing: the page stays, with a mark, and with the overlay if it fails.

const LIVERELOAD_MS = 1000; // the time that livereload.js has to act
const MAX_RELOADS = 10; // in MAX_RELOADS_MS: no user saves as fast, so more are a loop
const MAX_RELOADS_MS = 10000;

// Pages of the proxy itself name the state that they show, and reload when it is over.
const own = 'hppPage' in document.documentElement.dataset ? document.documentElement.dataset : null;
const isLive = own?.hppPage === 'live';
const isUnsafe = document.currentScript?.hasAttribute('data-unsafe'); // made by a POST

const states = new Map(); // the last one of each service, by its name
const running = new Map(); // the last generation known to run of each, and its run of the proxy
const builds = new Map(); // the last one of each service that has builds, by its name
let isOutdated = false;

function meet(message) {
  if (!hello.run) noteLoad(message);
  hello = message;
  states.clear();
  builds.clear();
  retryMs = RETRY_MS[0];
  if (isLive || (hello.console && window === top)) send({type: 'subscribe', topics: ['output']});
  if (hello.stale && !own?.state) return reload();
  for (const one of hello.builds) build(one, false);
  for (const state of [hello.state, ...hello.other_states]) if (state) enter(state, false);
}

function serviceOf(name) {
  return hello.services.find(service => service.name === name);
}

// The name of a service, or, of the only one, another text.
function nameOf(state, only) {
  return hello.services.length > 1 ? state.service : only;
}

// `isNews`: the state has begun just now.
function enter(state, isNews) {
  const isRunning = state.state === 'running';
  states.set(state.service, state);
  if (isRunning) {
    const name = `${hello.run} ${state.generation}`;
    isOutdated ||= isNews && running.get(state.service) !== name && serviceOf(state.service).at_host;
    running.set(state.service, name);
  }
  if (!isLive && window === top) show();
  else if (isLive && isOwn(state)) count(state);
  if (own?.state) {
    const isOver = state.state !== own.state || String(state.generation) !== own.generation;
    if (isOwn(state) && (isRunning || state.state === 'error') && isOver) reload();
  } else if (isNews && state.reload && isRunning && isOutdated && !isLed()) {
    unlessLiveReload(reload);
  }
}

// `isNews`: the build has begun or ended just now.
function build(message, isNews) {
  builds.set(message.service, message);
  if (!isNews) return; // the states follow
  if (isLive && isOwn(message)) count(states.get(message.service));
  else if (!isLive && window === top) show();
  // Its reason has changed.
  if (own?.state === 'error' && isOwn(message) && message.build.state === 'failed') reload();
}

function show() {
  mark.clear();
  const failed = failing();
  if (failed && !own) return unlessLiveReload(() => failed === failing() && overlay.show(failed));
  if (failed) return own.state === 'error' && isOwn(failed) && drawOutput(failed.output);
  const doing = activity(overlay.state?.service);
  if (doing) overlay.wait(doing);
  else overlay.hide();
  const busy = [...states.keys()].find(name => activity(name) && serviceOf(name).at_host);
  if (busy) mark.wait(activity(busy));
}

function activity(service) {
  const name = hello.services.length > 1 ? service : '';
  if (builds.get(service)?.build.state === 'running') return `Building ${name}`;
  return ['loading', 'killing'].includes(states.get(service)?.state) ? `Restarting ${name}` : '';
}

// The error to show: one that the user has not hidden, and of the page's own service before others.
// It is the state, or the message of a failed build.
function failing() {
  const rank = failed => 2 * overlay.isDismissed(failed) + !isOwn(failed);
  const failures = [...states.values()].map(state => {
    const message = builds.get(state.service);
    // The server may have ended after the failure of a build.
    const isBuild = state.state !== 'error' || state.reason.startsWith('before failed');
    if (message?.build.state === 'failed' && isBuild) return message;
    return state.state === 'error' && message?.build.state !== 'running' ? state : null;
  });
  return failures.filter(Boolean).sort((one, other) => rank(one) - rank(other))[0];
}

function isOwn({service}) {
  return service === hello.service;
}

// A connected livereload.js reloads the page by itself, and one reload is enough. But it may be
// connected to another server, and do nothing.
function unlessLiveReload(act) {
  if (!(window.LiveReload?.connector?.protocol > 0)) return act();
  let isLeaving = false;
  addEventListener('beforeunload', () => { isLeaving = true; }, {once: true});
  setTimeout(() => isLeaving || act(), LIVERELOAD_MS);
}

function reload() {
  if (isUnsafe) mark.offer('Reload, and send the form again', reloadNow);
  else reloadNow();
}

function reloadNow() {
  keep(window, place());
  const waitMs = brakeMs();
  const reload = () => renewCopies().then(() => location.reload());
  if (waitMs) setTimeout(reload, waitMs);
  else reload(); // without a timer, because timers of hidden pages are slow
}

function brakeMs() {
  const key = `${place()} reloads`;
  const now = Date.now();
  try {
    const times = JSON.parse(sessionStorage.getItem(key) ?? '[]').slice(1 - MAX_RELOADS);
    sessionStorage.setItem(key, JSON.stringify([...times, now]));
    return times.length < MAX_RELOADS - 1 ? 0 : Math.max(0, times[0] + MAX_RELOADS_MS - now);
  } catch { // storage is disabled
    return 0;
  }
}
