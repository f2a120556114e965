// Tips of the chips open by hover, focus and touch without script; with it, Escape closes them.
"use strict";
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  document.querySelectorAll(".chip:hover, .chip:focus").forEach((chip) => {
    chip.classList.add("chip--quiet");
    const again = () => chip.classList.remove("chip--quiet");
    chip.addEventListener("blur", again, { once: true });
    chip.addEventListener("mouseleave", again, { once: true });
  });
});
