// The pages of a device and of a command renew themselves by htmx while something is under way; this keeps what the person is at. Without scripts
// they are renewed by reloading it, and a secret has a page of its own.
(() => {
  "use strict";

  const LIVE = ["device-live", "command-live"];
  const HIDE_AFTER_MS = 60_000;
  const EAGER_FOR_MS = 5 * 60_000; // a device that is off for days need not be asked for every moment
  const SLOW_EVERY_MS = 15_000;
  let changedAt = Date.now();
  let askedAt = 0;
  let kept = null;

  const live = () => LIVE.map((id) => document.getElementById(id)).find(Boolean);

  // Somebody types, has a menu open, reads a secret or marks text: then the page waits with its news.
  function isBusy(element) {
    const active = document.activeElement;
    const isTyping = element.contains(active) && active.matches("input:not([type=hidden]), textarea, select");
    const selection = document.getSelection();
    const isMarking = selection && !selection.isCollapsed && element.contains(selection.anchorNode);
    return isTyping || isMarking || Boolean(element.querySelector("details.pm-menu[open], [data-shown]"));
  }

  function isDue() {
    if (document.visibilityState !== "visible") return false;
    const now = Date.now();
    if (now - changedAt > EAGER_FOR_MS && now - askedAt < SLOW_EVERY_MS) return false;
    askedAt = now;
    return true;
  }

  function remember(element) {
    return {
      focus: element.contains(document.activeElement) ? document.activeElement.id : "",
      open: [...element.querySelectorAll("details[open][id]")].map((one) => one.id),
      words: [...element.querySelectorAll("input[data-find][id]")].map((one) => [one.id, one.value]),
      tabs: element.querySelector(".pm-tabs")?.scrollLeft ?? 0,
    };
  }

  function restore(element, before) {
    before.open.forEach((id) => { const one = document.getElementById(id); if (one) one.open = true; });
    before.words.forEach(([id, words]) => {
      const one = document.getElementById(id);
      if (!one || one.value === words) return;
      one.value = words;
      one.dispatchEvent(new Event("input", { bubbles: true }));
    });
    const tabs = element.querySelector(".pm-tabs");
    if (tabs) tabs.scrollLeft = before.tabs;
    if (before.focus) document.getElementById(before.focus)?.focus({ preventScroll: true });
  }

  function hide(shown) {
    const place = shown.closest("[data-secret]");
    place.replaceChildren();
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (LIVE.includes(event.target.id) && (isBusy(event.target) || !isDue())) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!LIVE.includes(event.detail.target?.id)) return;
    // It may have got busy while the answer was on its way: the next one brings the same.
    if (isBusy(event.detail.target)) event.detail.shouldSwap = false;
    else if (event.detail.shouldSwap) kept = remember(event.detail.target);
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (!kept || !live()) return;
    const before = kept;
    kept = null;
    changedAt = Date.now();
    restore(live(), before);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const shown = event.detail.target?.querySelector?.("[data-shown]");
    if (!shown) return;
    shown.querySelector("[data-copy]")?.focus();
    setTimeout(() => { if (shown.isConnected) hide(shown); }, HIDE_AFTER_MS);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-hide]");
    if (!button) return;
    const place = button.closest("[data-secret]");
    hide(button);
    document.getElementById(place.id.replace(/^secret-/, "show-"))?.focus();
  });
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelector(".pm-tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  });
})();
