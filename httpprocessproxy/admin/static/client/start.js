// Frameworks that render the whole document compare its elements with theirs.
document.currentScript?.remove();
// Twice in a page, it runs once; a page of no origin (a file, a sandbox) is none of ours.
if (!window[GUARD] && /^https?:$/.test(location.protocol) && origin !== 'null') {
  Object.defineProperty(window, GUARD, {value: touched});
  // The cache of past pages wants no open connections, and a hidden page's timers are slow.
  addEventListener('pagehide', () => { isAway = true; socket?.close(); });
  addEventListener('pageshow', () => { isAway = false; connect(); });
  addEventListener('online', connect);
  document.addEventListener('visibilitychange', () => document.hidden || connect());
  document.addEventListener('securitypolicyviolation', event => {
    isForbidden ||= event.blockedURI.endsWith('/_hpp/events');
  });
  for (const type of ['htmx:confirm', 'htmx:config:request']) addEventListener(type, withhold, true);
  for (const type of ['input', 'click']) addEventListener(type, touch, {capture: true, passive: true});
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', restore);
  else restore();
  watchLoads();
  connect();
}
