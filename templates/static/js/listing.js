// The listing without page loads: search as one types, filters as one chooses, with an address for each and the way back.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const WAIT = 250;
  const search = document.querySelector("[data-search]");
  const box = search.elements.namedItem("q");
  let timer = 0;
  let typing = false; // the newest entry of the history is a search that is being typed

  const summary = () => (document.getElementById("summary") || {}).textContent || "";

  async function go(url, { push = true, top = false, typed = false } = {}) {
    const done = await window.agnes.load(url);
    if (!done) return false;
    if (push) history.pushState({}, "", url);
    else history.replaceState({}, "", url);
    const tab = new URL(url, location.href).searchParams.get("tab");
    if (tab) search.elements.namedItem("tab").value = tab;
    if (!typed) tick(done.page);
    window.agnes.say(summary());
    if (top) document.getElementById("listing").scrollIntoView({ block: "start" });
    return true;
  }

  // The scopes are outside of what is replaced: a tab's own, or those of the address that one came back to.
  function tick(page) {
    for (const scope of search.querySelectorAll("[name=scope]")) {
      const newer = page.querySelector(`[data-search] [name=scope][value="${scope.value}"]`);
      if (newer) scope.checked = newer.hasAttribute("checked");
    }
  }

  // What the form says now; words chosen in the listing (category, sort) belong to the search before.
  function address() {
    const wanted = new URLSearchParams();
    for (const [name, value] of new FormData(search)) if (value) wanted.append(name, value);
    return `${search.getAttribute("action")}?${wanted}`;
  }

  async function find() {
    clearTimeout(timer);
    const again = typing;
    typing = true;
    if (!(await go(address(), { push: !again, typed: true }))) typing = again;
  }

  search.addEventListener("submit", (event) => { event.preventDefault(); find(); });
  box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(find, WAIT); });
  search.addEventListener("change", (event) => {
    if (event.target.name !== "scope") return;
    const scopes = [...search.querySelectorAll("[name=scope]")];
    if (!scopes.some((scope) => scope.checked)) scopes[0].checked = true;
    if (box.value.trim()) find();
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-go]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    clearTimeout(timer);
    typing = false;
    const url = new URL(link.href);
    if (link.closest("[data-part]") && !url.searchParams.has("q")) box.value = "";
    go(link.href, { top: Boolean(link.closest(".pager")) });
  });

  function filter(form) {
    const wanted = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) wanted.append(name, value);
    typing = false;
    go(`${form.getAttribute("action")}?${wanted}`);
  }
  document.addEventListener("change", (event) => {
    const form = event.target.closest("[data-filters]");
    if (form) filter(form);
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-filters]")) return;
    event.preventDefault();
    filter(event.target);
  });

  addEventListener("popstate", async () => {
    clearTimeout(timer);
    typing = false;
    box.value = new URLSearchParams(location.search).get("q") || "";
    if (!(await go(location.href, { push: false }))) return;
  });
});
