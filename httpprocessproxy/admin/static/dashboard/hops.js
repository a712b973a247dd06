// Chains of X-Forward fields: the hops of each at this proxy, by its Id.

const MAX_CHAINS = 20;
const GOOD_HOPS = new Set(['delivered', 'ended', 'would go']);

let chains = new Map(); // Id -> hops, the oldest first; the newest chain is last

function hearHop(message) {
  const before = chains.get(message.chain) ?? [];
  chains.delete(message.chain);
  chains.set(message.chain, [...before, message]);
  if (chains.size > MAX_CHAINS) chains.delete(chains.keys().next().value);
  showHops();
}

async function loadHops() {
  const {hops} = await ask('hops');
  chains = new Map();
  hops.forEach(hearHop);
}

const showHops = calmly(() => {
  the('hops-card').hidden = !chains.size;
  the('hops').replaceChildren(...[...chains].reverse().map(([id, hops]) =>
    element('li', {}, element('code', {title: 'X-Forward-Id'}, id || 'without an Id'),
      element('ol', {}, ...hops.map(hopItem)))));
});

function hopItem({time, outcome, method, url, status, duration_ms, tries, text}) {
  const words = [outcome, method, url, status, milliseconds(duration_ms), tries > 1 && `${tries} tries`];
  return element('li', {className: GOOD_HOPS.has(outcome) ? '' : 'bad'},
    clock(time), ' ', words.filter(Boolean).join(' '), text && ': ', text);
}
