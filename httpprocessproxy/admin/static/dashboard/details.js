// One request: its heads, and a button that sends it again.

const details = the('details');
let detailed = 0; // the number of the request that is shown

async function showDetails(id) {
  const request = await ask(`requests/${id}`);
  detailed = id;
  the('details-title').textContent = `${request.method} ${request.target}`;
  the('details-facts').replaceChildren(...facts(request));
  the('replay').disabled = !request.can_be_replayed;
  the('replayed').textContent = request.can_be_replayed ? '' : 'This one cannot be sent again.';
  the('details-heads').replaceChildren(
    ...head('Request, as it went to the server', request.request),
    ...head(request.request_body === null ? 'Body: not kept, large or not whole' : 'Body', request.request_body),
    ...head('Response', request.response));
  if (!details.open) details.showModal();
}

function facts(request) {
  const all = {
    Number: String(request.id),
    Service: areSeveral() ? request.service : '',
    Status: String(request.status ?? '–'),
    Took: request.ended ? milliseconds(request.duration_ms) : 'not ended',
    Held: request.held_ms >= 1 ? milliseconds(request.held_ms) : '',
    Sent: request.sent === 1 ? '' : `${request.sent} times`,
    Size: size(request.bytes),
    Client: request.client,
    'Replay of': request.replay_of ? String(request.replay_of) : '',
    Outcome: request.outcome,
  };
  return Object.entries(all).filter(([, value]) => value)
    .map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value)));
}

function head(title, text) {
  if (text === '') return [];
  const shown = text === null ? [] : [element('pre', {tabIndex: 0}, text.trimEnd())];
  return [element('h3', {}, title), ...shown];
}

the('replay').onclick = async () => {
  const {id} = await ask(`requests/${detailed}/replay`, 'POST');
  const show = element('button', {className: 'link', onclick: () => showDetails(id)}, `number ${id}`);
  the('replayed').replaceChildren('Sent again, as ', show);
};
the('close').onclick = () => details.close();
details.onclick = event => event.target === details && details.close();
