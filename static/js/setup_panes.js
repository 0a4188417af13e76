// The list of Setup Assistant's panes: finding some, and choosing all that are shown. Without it every box is there to tick.
(() => {
  "use strict";

  const place = document.querySelector("[data-panes]");
  if (!place) return;
  const find = place.querySelector("[data-panes-find]");
  const platform = place.querySelector("[data-panes-platform]");
  const count = place.querySelector("[data-panes-count]");
  const rows = [...place.querySelectorAll("[data-words]")];
  const box = (row) => row.querySelector("input");

  function tell() {
    const shown = rows.filter((row) => !row.hidden).length;
    const chosen = rows.filter((row) => box(row).checked).length;
    count.textContent = `${chosen} of ${rows.length} skipped${shown < rows.length ? `, ${shown} shown here` : ""}`;
  }

  function filter() {
    const words = find.value.trim().toLowerCase();
    rows.forEach((row) => {
      const isThere = !platform.value || row.dataset.platforms.split(" ").includes(platform.value);
      row.hidden = !isThere || !row.dataset.words.includes(words);
    });
    tell();
  }

  find.addEventListener("input", filter);
  find.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault(); // looking for a pane does not send the form
  });
  platform.addEventListener("change", filter);
  place.addEventListener("change", tell);
  place.addEventListener("click", (event) => {
    const button = event.target.closest("[data-panes-all]");
    if (!button) return;
    rows.filter((row) => !row.hidden).forEach((row) => {
      box(row).checked = button.dataset.panesAll === "skip";
    });
    tell();
  });
  tell();
})();
