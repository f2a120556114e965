// A form over a table with boxes: says how many are ticked, and its buttons wait until one is.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.querySelectorAll("form[data-selected]")) {
    const text = form.querySelector("[data-selected-text]");
    const before = text.textContent;
    const tell = () => {
      const count = form.querySelectorAll("input[type=checkbox]:checked").length;
      text.textContent = count ? `${count} selected. ${before.replace("For the selected plugins; ", "")}` : "Select plugins above.";
      form.querySelectorAll("button[name=action]").forEach((button) => { button.disabled = !count; });
      form.querySelectorAll("details").forEach((one) => { if (!count) one.open = false; });
    };
    form.addEventListener("change", tell);
    tell();
  }
});
