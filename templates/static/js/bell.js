// How many notices are new, beside their link; asked for once a minute at most.
"use strict";
document.addEventListener("DOMContentLoaded", async () => {
  const bell = document.querySelector("[data-bell]");
  const count = bell && bell.querySelector(".account__count");
  if (!count) return;
  const show = (unread) => {
    count.textContent = unread ? ` ${unread}` : "";
    count.hidden = !unread;
    if (unread) bell.setAttribute("aria-label", `Notices, ${unread} new`);
  };
  try {
    const kept = JSON.parse(sessionStorage.getItem("agnes-notices") || "{}");
    if (Date.now() - kept.at < 60000 && !location.pathname.endsWith("/store/notices")) return show(kept.unread);
    const answer = await fetch(bell.dataset.bell, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const { unread } = await answer.json();
    sessionStorage.setItem("agnes-notices", JSON.stringify({ at: Date.now(), unread }));
    show(unread);
  } catch { /* without it the link is as good */ }
});
