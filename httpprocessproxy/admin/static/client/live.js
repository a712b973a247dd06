// Pages of the proxy in place of a page of the server. During a start: its duration, and the output
// as it comes, for trusted clients. After a crash: links to the places that the output names.

const MAX_FOLLOWED = 50000; // characters; each piece redraws all, because a colour may continue

let followed = '';
let counter = 0;

function follow({text, is_tail: isTail}) {
  followed = (isTail ? text : followed + text).slice(-MAX_FOLLOWED);
  drawOutput(followed);
}

function drawOutput(text) {
  document.querySelector('.output pre')?.replaceChildren(fewStops(draw(text)));
}

function count(state) {
  const isBuilding = builds.get(state.service)?.build.state === 'running';
  const starting = isBuilding ? 'Building' : 'Starting';
  const what = state.state === 'killing' ? 'Stopping the last one' : starting;
  const since = performance.now() - (heardMs - state.at_ms);
  const show = () => {
    const seconds = Math.round((performance.now() - since) / 1000);
    document.querySelector('.status').textContent = `${what} for ${seconds} s`;
  };
  clearInterval(counter);
  counter = setInterval(show, 1000);
  show();
}
