// Parts of a page that can be replaced by those of a newer copy of it, without losing the place of the keyboard.
"use strict";
window.agnes = (() => {
  const SECONDS = 12;
  let latest = 0;

  const failure = () => document.getElementById("failure");

  function say(words) {
    const status = document.getElementById("announcement");
    if (status) status.textContent = words;
  }

  function swap(page) {
    const focused = document.activeElement && document.activeElement.id;
    for (const part of document.querySelectorAll("[data-part]")) {
      const newer = page.getElementById(part.id);
      if (newer) part.replaceWith(document.adoptNode(newer));
    }
    document.title = page.title;
    const again = focused && document.getElementById(focused);
    if (again && again !== document.activeElement) again.focus({ preventScroll: true });
    document.dispatchEvent(new CustomEvent("agnes:swapped"));
    return !focused || Boolean(again);
  }

  // One request at a time: an answer that was overtaken is dropped, a failed one is shown and never repeated by itself.
  async function load(url, options = {}) {
    const mine = ++latest;
    const parts = document.querySelectorAll("[data-part]");
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), SECONDS * 1000);
    parts.forEach((part) => part.setAttribute("aria-busy", "true"));
    failure().hidden = true;
    try {
      const answer = await fetch(url, { credentials: "same-origin", signal: stop.signal, ...options });
      const text = await answer.text();
      if (mine !== latest) return null;
      const page = new DOMParser().parseFromString(text, "text/html");
      const known = [...parts].every((part) => page.getElementById(part.id));
      if (!answer.ok || !known) {
        if (answer.redirected && !known) { location.assign(answer.url); return null; }
        throw new Error(`status ${answer.status}`);
      }
      return { page, url: answer.url, kept: swap(page) };
    } catch (error) {
      if (mine === latest) failure().hidden = false;
      return null;
    } finally {
      clearTimeout(timer);
      if (mine === latest) document.querySelectorAll("[data-part]").forEach((part) => part.removeAttribute("aria-busy"));
    }
  }

  document.documentElement.classList.add("has-script");
  return { load, say };
})();
