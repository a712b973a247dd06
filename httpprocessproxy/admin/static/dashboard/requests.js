// The table of requests: live, newest first, filtered while the user types.

const MAX_ROWS = 500;

const requests = new Map(); // id -> the proxy's row, and its line in the table
let changed = new Set();

function hearRequest(row) {
  const known = requests.get(row.id);
  if (known?.row.ended) return; // an old message, overtaken by the whole list
  requests.set(row.id, {row, line: known?.line});
  changed.add(row.id);
  drawRequests();
}

async function loadRequests() {
  const answer = await ask('requests');
  the('replay-failed').checked = answer.replay_failed;
  for (const row of answer.requests.reverse()) hearRequest(row);
  drawRequests();
}

const drawRequests = calmly(() => {
  for (const id of [...changed].sort((one, other) => one - other)) {
    const request = requests.get(id);
    if (!request.line) {
      request.line = requestLine(request.row);
      the('requests').insertBefore(request.line, firstOlder(id));
    }
    showProgress(request.line, request.row);
  }
  changed = new Set();
  forgetOld();
  offerMethods();
  applyFilter();
  showLastFailed();
});

function firstOlder(id) {
  let next = the('requests').firstElementChild;
  while (next && Number(next.dataset.id) > id) next = next.nextElementSibling;
  return next;
}

function forgetOld() {
  const ended = [...requests.values()].filter(({row}) => row.ended);
  ended.sort((one, other) => one.row.id - other.row.id);
  for (const {row, line} of ended.slice(0, Math.max(0, ended.length - MAX_ROWS))) {
    line.remove();
    requests.delete(row.id);
  }
}

// A line is kept while its request is shown, so that it keeps the focus and a click under way.
function requestLine(row) {
  const name = element('span', {}, element('b', {}, row.method), ` ${row.target}`);
  const button = element('button', {className: 'request', onclick: () => showDetails(row.id)}, name);
  const line = element('tr', {onclick: event => button.contains(event.target) || showDetails(row.id)},
    element('td', {className: 'time'}, clock(row.time)),
    element('td', {className: 'name'}, button));
  line.dataset.id = row.id;
  return line;
}

function showProgress(line, row) {
  for (const cell of [...line.cells].slice(2)) cell.remove(); // all cells after the name may change
  line.append(
    element('td', {}, statusMark(row)),
    element('td', {className: 'number'}, row.ended ? milliseconds(row.duration_ms) : '…'),
    element('td', {className: 'number size'}, row.bytes ? size(row.bytes) : ''),
    element('td', {className: 'remarks'}, ...remarks(row)));
}

function statusMark({status, outcome, ended}) {
  const kind = status ? `s${String(status)[0]}` : 's0';
  const text = status ?? (ended ? (outcome === 'left' ? 'left' : '–') : '…');
  return element('span', {className: `status ${kind}`}, String(text));
}

function remarks({service, held_ms: held, sent, outcome, websocket, ended, replay_of: of}) {
  const all = [['of', service]];
  if (of) all.push(['replay', `replay of ${of}`]);
  if (websocket) all.push(['socket', ended ? 'WebSocket' : 'WebSocket open']);
  if (held >= 1) all.push(['held', `held ${milliseconds(held)}`]);
  if (sent > 1) all.push(['held', `sent ${sent} times`]);
  if (outcome === 'refused') all.push(['bad', 'not answered by the server']);
  if (outcome === 'cut') all.push(['bad', websocket ? 'closed by a restart' : 'cut']);
  if (outcome === 'left') all.push(['bad', 'client left']);
  return all.map(([kind, text]) => element('span', {className: `remark ${kind}`}, text));
}

// Filters

function offerMethods() {
  const offered = new Set([...the('filter-method').options].map(option => option.value));
  for (const {row} of requests.values()) {
    if (offered.has(row.method)) continue;
    offered.add(row.method);
    the('filter-method').append(element('option', {value: row.method}, row.method));
  }
}

function applyFilter() {
  const text = the('filter-text').value.toLowerCase();
  const method = the('filter-method').value;
  const status = the('filter-status').value;
  let shown = 0;
  const ofServices = [...requests.values()].filter(({row}) => isShown(row.service));
  for (const {row, line} of requests.values()) {
    const fits = isShown(row.service) && row.target.toLowerCase().includes(text)
      && (!method || row.method === method) && hasStatus(row, status);
    if (line) line.hidden = !fits;
    shown += fits;
  }
  the('no-requests').hidden = shown > 0;
  the('no-requests').textContent = ofServices.length ? 'No request fits the filter.' : 'No requests yet.';
  const open = ofServices.filter(({row}) => row.websocket && !row.ended).length;
  the('sockets').hidden = !open;
  the('sockets').textContent = `${open} WebSocket${open > 1 ? 's' : ''} open`;
}

function hasStatus(row, wanted) {
  if (wanted === 'unusual') return row.held_ms >= 1 || row.sent > 1 || Boolean(row.outcome);
  return String(row.status ?? '').startsWith(wanted);
}

the('filter').oninput = applyFilter;
the('filter').onsubmit = event => event.preventDefault();

// Replays after restarts

function showLastFailed() {
  const replayed = Math.max(0, ...[...requests.values()].map(({row}) => row.replay_of ?? 0));
  const failed = [...requests.values()].map(({row}) => row).filter(row => row.can_be_replayed
    && (['refused', 'cut'].includes(row.outcome) || row.status >= 500)
    && !['GET', 'HEAD', 'OPTIONS', 'TRACE'].includes(row.method) && row.id > replayed);
  const lastFailed = failed.sort((one, other) => other.id - one.id)[0];
  the('last-failed').textContent = lastFailed
    ? `Next: ${lastFailed.method} ${lastFailed.target}, number ${lastFailed.id}` : '';
}

the('replay-failed').onchange = ({target}) => {
  ask(`replay-failed?on=${target.checked}`, 'POST').catch(() => { target.checked = !target.checked; });
};
