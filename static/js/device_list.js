// The list of devices: keys, the bar of what is chosen, the order of columns. Without scripts all of it is there as well, save the keys.
(() => {
  "use strict";

  const boxes = () => [...document.querySelectorAll(".pm-list-table input[name=device]")];
  const rowLinks = () => [...document.querySelectorAll(".pm-list-name a")];
  let lastBox = null;

  // --- the bar of what is chosen ---
  function showChosen() {
    const bar = document.querySelector(".pm-bulk");
    if (!bar) return;
    const every = document.getElementById("pm-list-all");
    const [all, found] = [bar.querySelector("input[name=all]"), boxes()];
    const number = found.filter((box) => box.checked).length;
    const count = bar.querySelector(".pm-bulk-count");
    if (all && !number) all.checked = false;
    const words = all?.checked ? count.dataset.all : number === 1 ? count.dataset.one : count.dataset.many.replace("%n", number);
    if (number && count.textContent !== words) count.textContent = words;
    bar.classList.toggle("pm-open", number > 0);
    bar.querySelector(".pm-bulk-clear").hidden = false;
    every.hidden = false;
    every.checked = number > 0 && number === found.length;
    every.indeterminate = number > 0 && number < found.length;
  }

  function chooseAll(isChosen) {
    boxes().forEach((box) => { box.checked = isChosen; });
    showChosen();
  }

  function chooseUpTo(box) {
    const found = boxes();
    const [from, to] = [found.indexOf(lastBox), found.indexOf(box)].sort((one, other) => one - other);
    if (from >= 0) found.slice(from, to + 1).forEach((one) => { one.checked = box.checked; });
  }

  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.id === "pm-list-all") chooseAll(box.checked);
    else if (box.matches(".pm-bulk input[name=all]")) box.checked ? chooseAll(true) : showChosen();
    else if (box.matches(".pm-list-table input[name=device]")) {
      const all = document.querySelector(".pm-bulk input[name=all]");
      if (all && !box.checked) all.checked = false;
      showChosen();
    }
  });
  document.addEventListener("click", (event) => {
    const box = event.target.closest(".pm-list-table input[name=device]");
    if (box) {
      if (event.shiftKey && lastBox) chooseUpTo(box);
      lastBox = box;
    }
    if (event.target.closest(".pm-bulk-clear")) {
      chooseAll(false);
      document.getElementById("pm-list-words")?.focus();
    }
    const mover = event.target.closest(".pm-list-up, .pm-list-down");
    if (mover) moveColumn(mover);
  });

  // --- the order of columns ---
  function moveColumn(button) {
    const row = button.closest("li");
    const beside = button.matches(".pm-list-up") ? row.previousElementSibling : row.nextElementSibling;
    if (!beside) return;
    if (button.matches(".pm-list-up")) beside.before(row);
    else beside.after(row);
    button.focus();
  }

  // --- keys: "/" to search, arrows along the rows, "x" to choose one ---
  function goTo(step) {
    const links = rowLinks();
    const place = links.indexOf(document.activeElement);
    if (place + step < 0) document.getElementById("pm-list-words").focus();
    else links[Math.min(place + step, links.length - 1)]?.focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const words = document.getElementById("pm-list-words");
    const isOnRow = document.activeElement?.matches(".pm-list-name a");
    const isTyping = document.activeElement?.matches("input, textarea, select, [contenteditable]");
    if (event.key === "/" && words && !isTyping) words.focus(), words.select();
    else if (event.key === "ArrowDown" && (isOnRow || document.activeElement === words)) goTo(1);
    else if (event.key === "ArrowUp" && isOnRow) goTo(-1);
    else if (event.key === "x" && isOnRow) document.activeElement.closest("tr").querySelector("input[name=device]")?.click();
    else return;
    event.preventDefault();
  });

  // --- forms for filters leave out of the address what is empty ---
  document.addEventListener("formdata", (event) => {
    if (!event.target.closest("#pm-list-filters, .pm-list-search")) return;
    const { formData, target } = event;
    [...formData.entries()].forEach(([name, value]) => { if (value === "") formData.delete(name); });
    const needs = { profile_is: ["profile"], attribute_is: ["attribute"], attribute_value: ["attribute"], os_of: ["os_min", "os_below"] };
    Object.entries(needs).forEach(([name, others]) => {
      if (target.elements[others[0]] && !others.some((other) => formData.has(other))) formData.delete(name);
    });
  });

  // --- search while typing ---
  document.addEventListener("htmx:afterSwap", showChosen);
  window.addEventListener("pageshow", showChosen); // after going back, boxes are as they were
  document.addEventListener("DOMContentLoaded", showChosen);
  showChosen();
})();
