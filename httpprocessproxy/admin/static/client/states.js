// The page's reaction to states of the server. It reloads when another generation runs than the one
// that made it, and in no other case: not after a reconnect, and not to show an error.

const LIVERELOAD_MS = 1000; // the time that livereload.js has to act
const MAX_RELOADS = 10; // in MAX_RELOADS_MS: no user saves as fast, so more are a loop
const MAX_RELOADS_MS = 10000;

// Pages of the proxy itself name the state that they show, and reload when it is over.
const own = 'hppPage' in document.documentElement.dataset ? document.documentElement.dataset : null;
const isLive = own?.hppPage === 'live';
const isUnsafe = document.currentScript?.hasAttribute('data-unsafe'); // made by a POST

let latest = null;
let running = ''; // the last generation known to run, and its run of the proxy

function meet(message) {
  if (!hello.run) noteLoad(message);
  hello = message;
  retryMs = RETRY_MS[0];
  if (isLive || (hello.console && window === top)) send({type: 'subscribe', topics: ['output']});
  if (hello.stale && !own?.state) return reload();
  if (hello.state) enter(hello.state, false);
}

// `isNews`: the state has begun just now.
function enter(state, isNews) {
  const before = running;
  const isSettled = state.state === 'running' || state.state === 'error';
  latest = state;
  if (state.state === 'running') running = `${hello.run} ${state.generation}`;
  if (isLive) count(state);
  else if (window === top) show(state);
  if (own?.state) {
    const isOver = state.state !== own.state || String(state.generation) !== own.generation;
    if (isSettled && isOver) reload();
  } else if (isNews && state.reload && state.state === 'running' && running !== before && !isLed()) {
    unlessLiveReload(reload);
  }
}

function show(state) {
  mark.clear();
  switch (state.state) {
    case 'running': return overlay.hide();
    case 'error':
      if (own) return own.state === 'error' && drawOutput(state.output);
      return unlessLiveReload(() => state === latest && overlay.show(state));
    default:
      overlay.restarting();
      mark.restarting();
  }
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
