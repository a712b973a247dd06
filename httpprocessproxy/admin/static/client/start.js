// Frameworks that render the whole document compare its elements with their own.
document.currentScript?.remove();
// Included twice, it runs once. A page with an opaque origin (file, sandbox) is not the proxy's.
if (!window[GUARD] && /^https?:$/.test(location.protocol) && origin !== 'null') {
  Object.defineProperty(window, GUARD, {value: touched});
  // An open connection excludes a page from the back/forward cache; timers of hidden pages are slow.
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
