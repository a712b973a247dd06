// The last restarts, each as a bar of its stages.

const STAGES = ['drain', 'stop', 'start', 'ready'];
const MAX_RESTARTS = 10;

function showRestarts() {
  const settled = shownStates().filter(({state, restart}) => restart && (state === 'running' || state === 'error'));
  const seen = new Set();
  const last = settled.filter(state => !seen.has(generationOf(state)) && seen.add(generationOf(state)))
    .slice(0, MAX_RESTARTS);
  const longest = Math.max(1, ...last.map(({restart}) => total(restart)));
  the('no-restarts').hidden = last.length > 0;
  the('restarts').replaceChildren(...last.map(state => bar(state, longest)));
}

function generationOf({service, generation}) {
  return `${service} ${generation}`;
}

function total(restart) {
  return STAGES.reduce((sum, stage) => sum + (restart[`${stage}_ms`] ?? 0), 0);
}

function bar({service, restart, start, state, time}, longest) {
  const pieces = STAGES.filter(stage => restart[`${stage}_ms`]).map(stage => {
    const piece = element('i', {className: stage});
    piece.style.width = `${100 * restart[`${stage}_ms`] / longest}%`;
    return piece;
  });
  const stages = STAGES.map(stage => `${stage} ${milliseconds(restart[`${stage}_ms`] ?? 0)}`).join(', ');
  const ended = state === 'error' && restart.total_ms === null;
  return element('li', {title: stages + warmth(start)},
    element('span', {className: 'what'}, clock(time), ' ', nameTag(service), restart.paths.length ? several(restart.paths) : 'asked for'),
    element('span', {className: 'took'}, ended ? 'failed' : milliseconds(restart.total_ms)),
    element('span', {className: 'bar', ariaHidden: 'true'}, ...pieces),
    element('span', {className: 'unseen'}, stages + warmth(start)));
}
