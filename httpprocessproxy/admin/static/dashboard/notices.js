// Notices that the proxy has printed in the terminal: warnings, and the address of a shared site.

const MAX_NOTICES = 20; // of all services
const ADDRESS = /https?:\/\/[^\s()'"]+/;

let notices = []; // the messages, the newest first

function hearNotice(message) {
  notices.unshift(message);
  notices.length = Math.min(notices.length, MAX_NOTICES);
  showNotices();
}

function loadNotices(known) {
  notices = [];
  for (const message of known) hearNotice(message);
}

function showNotices() {
  const shown = notices.filter(({service}) => isShown(service));
  the('notices-card').hidden = !shown.length;
  the('notices').replaceChildren(...shown.map(({service, text}) =>
    element('li', {}, nameTag(service), ...linked(text))));
}

function linked(text) {
  const found = ADDRESS.exec(text);
  if (!found) return [text];
  const link = element('a', {href: found[0], rel: 'noreferrer', target: '_blank'}, found[0]);
  return [text.slice(0, found.index), link, text.slice(found.index + found[0].length)];
}
