// Pages of ours that stand in for another. While the server starts: how long that takes, and the
// output as it comes, for those who may see it. When it has ended: links to where.

const MAX_FOLLOWED = 50000; // characters; each piece draws all anew, for a colour may go on

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
  const what = state.state === 'killing' ? 'Stopping the last one' : 'Starting';
  const since = performance.now() - (heardMs - state.at_ms);
  const show = () => {
    const seconds = Math.round((performance.now() - since) / 1000);
    document.querySelector('.status').textContent = `${what} for ${seconds} s`;
  };
  clearInterval(counter);
  counter = setInterval(show, 1000);
  show();
}
