// The browser's global names, saved before the page's scripts run: `var parent`, `function Event` or
// `const performance` of a page replaces or shadows them. Only `window`, `document`, `location` and
// `top` cannot be replaced (Web IDL, LegacyUnforgeable), nor can the indices of a window's frames.

const {
  Array, Boolean, CSS, CSSStyleSheet, Date, Event, Image, JSON, Map, Math, MutationObserver,
  Number, Object, PerformanceObserver, Promise, Reflect, RegExp, Set, String, Symbol, URL, WeakMap,
  WeakSet, WebSocket, addEventListener, clearInterval, clearTimeout, console, decodeURIComponent,
  encodeURIComponent, fetch, navigator, performance, removeEventListener,
  setInterval, setTimeout,
} = window;
const origin = window.origin;
const sessionStorage = (() => {
  try {
    return window.sessionStorage;
  } catch { // forbidden by the user, or by a sandbox
    return null;
  }
})();
