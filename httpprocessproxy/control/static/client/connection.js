// The connection to the proxy. All that a page learns of the server comes over it, unasked.

const GUARD = Symbol.for('http-process-proxy');
const RETRY_MS = [200, 2000];

let socket = null;
let retry = 0;
let retryMs = RETRY_MS[0];
let isAway = false; // in the back/forward cache, or on its way out
let isForbidden = false; // by a Content-Security-Policy
let hello = {}; // the proxy's, with what it knows of our surroundings
let heardMs = 0; // when, by its clock, it last said anything

function connect() {
  clearTimeout(retry);
  if (isAway || isForbidden || socket?.readyState < WebSocket.CLOSING) return;
  const scheme = location.protocol.replace('http', 'ws');
  socket = new WebSocket(`${scheme}//${location.host}/_hpp/events`);
  socket.onopen = () => send({type: 'hello', age_ms: ageMs(), run: hello.run, at_ms: heardMs});
  socket.onmessage = event => hear(JSON.parse(event.data));
  socket.onclose = () => {
    retry = setTimeout(connect, retryMs * (0.5 + Math.random() / 2));
    retryMs = Math.min(retryMs * 2, RETRY_MS[1]);
  };
}

function send(message) {
  socket.send(JSON.stringify(message));
}

// How long ago the first byte of the page came, which tells by whose code it was made.
function ageMs() {
  const [navigation] = performance.getEntriesByType('navigation');
  return navigation?.responseStart ? performance.now() - navigation.responseStart : 0;
}

function hear(message) {
  heardMs = message.at_ms;
  switch (message.type) {
    case 'hello': return meet(message);
    case 'state': return enter(message, true);
    case 'refresh': return unlessLiveReload(() => refresh(message.paths));
    case 'output': return isLive ? follow(message) : print(message);
  }
}
