// Add and remove in place: the form is sent as it is, and what it changed is taken from the page that answers.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const HINT = "agnes.update-hint.dismissed";
  const hint = () => document.getElementById("update-hint");
  const dismissed = () => { try { return localStorage.getItem(HINT) === "1"; } catch { return false; } };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-stack]")) return;
    event.preventDefault();
    const button = event.submitter;
    if (!button || button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    const adding = button.value === "true";
    const body = new URLSearchParams(new FormData(form, button));
    const done = await window.agnes.load(button.formAction, { method: "POST", body });
    if (!done) { button.removeAttribute("aria-disabled"); return; }
    window.agnes.say(adding ? "Added to your stack" : "Removed from your stack");
    if (!done.kept) document.getElementById("main").focus({ preventScroll: true });
    if (adding && hint() && !dismissed()) hint().hidden = false;
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-dismiss]");
    if (!button) return;
    hint().hidden = true;
    try { localStorage.setItem(HINT, "1"); } catch { /* then it is shown again */ }
    (document.getElementById("stack-button") || document.getElementById("main")).focus();
  });
});
