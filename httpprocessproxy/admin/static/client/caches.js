// Cached copies that are fresh by max-age: a reload would use them in place of the changed files.

const RENEWAL_MS = 1000; // at most

// Replace the cached copies of resources of this page's own origin.
async function renewCopies() {
  const urls = performance.getEntriesByType('resource').map(({name}) => name)
    .filter(name => name.startsWith(`${location.origin}/`) && !name.includes('/_hpp/'));
  const renewed = [...new Set(urls)].map(async name => await isFresh(name) && renewCopy(name));
  await Promise.race([
    Promise.allSettled(renewed),
    new Promise(resolve => setTimeout(resolve, RENEWAL_MS)),
  ]);
}

function renewCopy(url) {
  return fetch(url, {cache: 'no-cache', mode: 'no-cors'}).catch(() => {});
}

// An immutable resource counts as not fresh: its name changes with its content.
async function isFresh(url) {
  try {
    const {ok, headers} = await fetch(url, {cache: 'only-if-cached', mode: 'same-origin'});
    const says = headers.get('Cache-Control') ?? '';
    if (!ok || /\b(no-cache|no-store|immutable)\b|\bmax-age=0\b/i.test(says)) return false;
    return says.includes('max-age') || headers.has('Expires');
  } catch { // not in the cache
    return false;
  }
}
