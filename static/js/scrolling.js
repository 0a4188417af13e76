// Tables that are wider than the screen scroll within their own frame. Whoever has no mouse needs that frame as a stop of the
// Tab key, with a name; where everything is in view anyway, it would be a stop for nothing.
(() => {
  "use strict";

  const FRAMES = ".pm-scroll, .pm-list-scroll";

  function nameOf(frame) {
    const heading = frame.closest("section, form, main")?.querySelector("h2, h1");
    const caption = frame.querySelector("caption");
    return (caption ?? heading)?.textContent.trim() ?? document.title;
  }

  function tend(frame) {
    const scrolls = frame.scrollWidth > frame.clientWidth || frame.scrollHeight > frame.clientHeight;
    if (scrolls && !frame.hasAttribute("tabindex")) {
      frame.tabIndex = 0;
      frame.dataset.scrolling = "";
      if (!frame.hasAttribute("role")) frame.setAttribute("role", "group");
      if (!frame.hasAttribute("aria-label") && !frame.hasAttribute("aria-labelledby")) frame.setAttribute("aria-label", nameOf(frame));
    } else if (!scrolls && "scrolling" in frame.dataset) {
      frame.removeAttribute("tabindex");
      delete frame.dataset.scrolling;
    }
  }

  const tendAll = () => document.querySelectorAll(FRAMES).forEach(tend);
  document.addEventListener("DOMContentLoaded", tendAll);
  document.addEventListener("htmx:load", tendAll);
  window.addEventListener("resize", tendAll);
})();
