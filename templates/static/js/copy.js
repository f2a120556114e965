// Copy buttons. They are hidden where there is no script, since they could do nothing.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const show = () => document.querySelectorAll("[data-copy]").forEach((button) => { button.hidden = !navigator.clipboard; });
  document.addEventListener("agnes:swapped", show);
  show();
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const before = button.firstChild.textContent;
    let said = "Copied";
    try { await navigator.clipboard.writeText(button.dataset.copy); } catch { said = "Not copied"; }
    button.firstChild.textContent = said;
    const status = document.getElementById("announcement");
    if (status) status.textContent = said;
    setTimeout(() => { button.firstChild.textContent = before; }, 2000);
  });
});
