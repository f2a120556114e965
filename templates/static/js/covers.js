// A cover photo that does not load makes way for the letters below it.
"use strict";
document.addEventListener("error", (event) => {
  if (event.target instanceof Element && event.target.matches(".cover__photo")) event.target.remove();
}, true);
document.addEventListener("DOMContentLoaded", () => {
  for (const photo of document.querySelectorAll(".cover__photo")) if (photo.complete && !photo.naturalWidth) photo.remove();
});
