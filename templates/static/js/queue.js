// Keys of a queue: j and k move, Enter opens, n and p go on to the next and the previous one, a approves.
"use strict";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const links = [...document.querySelectorAll("[data-queue] tbody th a")];
  const step = { j: 1, k: -1 }[event.key];
  if (step && links.length) {
    const at = links.indexOf(document.activeElement);
    links[Math.min(links.length - 1, Math.max(0, at < 0 ? 0 : at + step))].focus();
    event.preventDefault();
    return;
  }
  const there = { n: "next", j: "next", p: "prev", k: "prev" }[event.key];
  const link = there && document.querySelector(`.queue-nav a[rel="${there}"]`);
  if (link) link.click();
  const button = document.querySelector(`button[data-key="${CSS.escape(event.key)}"]`);
  if (button) button.focus();
});
