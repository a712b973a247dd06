// The WebSocket to the proxy. It pushes all events of the server to the page.

const GUARD = Symbol.for('http-process-proxy');
const RETRY_MS = [200, 2000];
const LOADS = 'http-process-proxy loads';
const MAX_LOADS = 50;
const UNKNOWN_MS = 1e12; // an age
const PATH = location.pathname; // of the document; a script of the page may change it later

let socket = null;
let retry = 0;
let retryMs = RETRY_MS[0];
let isAway = false; // in the back/forward cache, or being unloaded
let isForbidden = false; // by a Content-Security-Policy
let hello = {}; // the proxy's greeting: run, editor, folder, services
let heardMs = 0; // the time of the last message, by the proxy's clock

function connect() {
  clearTimeout(retry);
  if (isAway || isForbidden || socket?.readyState < WebSocket.CLOSING) return;
  const scheme = location.protocol.replace('http', 'ws');
  socket = new WebSocket(`${scheme}//${location.host}/_hpp/events`);
  socket.onopen = () => send({type: 'hello', path: PATH, service: own?.service, ...age()});
  socket.onmessage = event => hear(JSON.parse(event.data));
  socket.onclose = () => {
    retry = setTimeout(connect, retryMs * (0.5 + Math.random() / 2));
    retryMs = Math.min(retryMs * 2, RETRY_MS[1]);
  };
}

function send(message) {
  socket.send(JSON.stringify(message));
}

// The age of the page: the time since its first byte came, or when it was last up to date.
function age() {
  if (hello.run) return {age_ms: ageMs(), run: hello.run, at_ms: heardMs};
  return isFromCache() ? {age_ms: UNKNOWN_MS, ...loads()[url()]} : {age_ms: ageMs()};
}

function ageMs() {
  const [navigation] = performance.getEntriesByType('navigation');
  return navigation?.responseStart ? performance.now() - navigation.responseStart : 0;
}

// The browser's history, or a link, may show a page from the cache, without a request, and it looks
// like a new one. A reload sends a request. The size of a page is unknown while it loads; pages of
// a service worker have none.
function isFromCache() {
  const [navigation] = performance.getEntriesByType('navigation');
  if (!navigation || navigation.transferSize || navigation.type === 'reload') return false;
  const isComplete = navigation.responseEnd > 0 && !navigation.workerStart;
  return navigation.type === 'back_forward' || (isComplete && navigation.decodedBodySize > 0);
}

// Because of such pages, the time of each load is stored, by the proxy's clock.
function noteLoad({run, at_ms: nowMs}) {
  if (isFromCache()) return;
  const {[url()]: _, ...others} = loads();
  const kept = Object.entries(others).slice(1 - MAX_LOADS);
  const all = Object.fromEntries([...kept, [url(), {run, at_ms: nowMs - ageMs()}]]);
  try {
    sessionStorage.setItem(LOADS, JSON.stringify(all));
  } catch { /* storage is disabled */ }
}

function loads() {
  try {
    return JSON.parse(sessionStorage.getItem(LOADS)) ?? {};
  } catch { // storage is disabled
    return {};
  }
}

function url() {
  return location.href.replace(/#.*/, '');
}

function hear(message) {
  heardMs = message.at_ms;
  switch (message.type) {
    case 'hello': return meet(message);
    case 'state': return enter(message, true);
    case 'build': return build(message, true);
    case 'refresh': return unlessLiveReload(() => refresh(message.paths));
    case 'output': return isLive ? follow(message) : print(message);
  }
}
