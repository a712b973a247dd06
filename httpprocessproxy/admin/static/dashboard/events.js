// The WebSocket that receives all events from the proxy. It reconnects after a loss.

const RETRY_MS = 500;

function connect() {
  const socket = new WebSocket(`${location.protocol.replace('http', 'ws')}//${location.host}/_hpp/events`);
  const greeting = {type: 'hello', age_ms: 0, topics: ['hop', 'notice', 'output', 'request'], token: TOKEN};
  socket.onopen = () => socket.send(JSON.stringify(greeting));
  socket.onmessage = event => hear(JSON.parse(event.data));
  socket.onclose = () => {
    away();
    setTimeout(connect, RETRY_MS);
  };
}

function hear(message) {
  switch (message.type) {
    case 'hello': return meet(message);
    case 'state': return enter(message);
    case 'build': return hearBuild(message);
    case 'notice': return hearNotice(message);
    case 'hop': return hearHop(message);
    case 'request': return hearRequest(message);
    case 'output': return hearOutput(message);
  }
}

async function meet(message) {
  // Another run of the proxy has other requests and another token.
  if (hello.run && hello.run !== message.run) return location.reload();
  hello = message;
  meetServices(message);
  showChoice();
  await Promise.all([loadRequests(), loadHistory(), loadHops()]);
}

async function loadHistory() {
  const history = await ask('history');
  loadNotices(history.notices);
  const known = history.states.reverse();
  if (!known.length) return;
  states = [...states.filter(state => state.at_ms > known[0].at_ms), ...known];
  complain('');
  showStates();
}

connect();
