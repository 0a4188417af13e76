// The editor of scripts: a text area with line numbers beside it, the Tab key, and a file that is taken into it. Without
// this it is a plain text area, and the file is uploaded instead.
(() => {
  "use strict";

  const INDENT = "    ";
  const MOST_BYTES = 1024 * 1024; // what is larger the server refuses, in words

  // Through the browser's own editing, so that it can be undone; older ones lack that for text areas.
  function insert(area, text) {
    area.focus();
    if (!document.execCommand("insertText", false, text)) {
      area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }

  function indentOf(text) {
    return /^\t/m.test(text) ? "\t" : INDENT;
  }

  // The lines that the selection touches, changed one by one; what was selected stays so.
  function changeLines(area, change) {
    const { selectionStart: start, selectionEnd: end, value } = area;
    const from = value.lastIndexOf("\n", start - 1) + 1;
    const last = end > start && value[end - 1] === "\n" ? end - 1 : end;
    const to = value.indexOf("\n", last) < 0 ? value.length : value.indexOf("\n", last);
    const lines = value.slice(from, to).split("\n");
    const changed = lines.map(change);
    if (changed.join("\n") === lines.join("\n")) return;
    area.setSelectionRange(from, to);
    insert(area, changed.join("\n"));
    const grown = changed.join("\n").length - (to - from);
    const first = Math.max(from, start + changed[0].length - lines[0].length);
    area.setSelectionRange(first, Math.max(first, end + grown));
  }

  function tab(area, isBack) {
    const step = indentOf(area.value);
    const isBlock = area.value.slice(area.selectionStart, area.selectionEnd).includes("\n");
    if (isBack) changeLines(area, (line) => line.replace(/^(\t| {1,4})/, ""));
    else if (isBlock) changeLines(area, (line) => (line ? step + line : line));
    else insert(area, step);
  }

  function edit(area) {
    const frame = document.createElement("div");
    const numbers = document.createElement("pre");
    frame.className = "pm-code-editor";
    numbers.className = "pm-numbers";
    numbers.setAttribute("aria-hidden", "true");
    area.before(frame);
    frame.append(numbers, area);
    let shown = 0;
    let isLeaving = false;

    function number() {
      const lines = area.value.split("\n").length;
      if (lines !== shown) numbers.textContent = Array.from({ length: lines }, (_, line) => line + 1).join("\n") + "\n\n";
      shown = lines;
      numbers.scrollTop = area.scrollTop;
    }

    area.addEventListener("input", number);
    area.addEventListener("scroll", () => { numbers.scrollTop = area.scrollTop; });
    area.addEventListener("blur", () => { isLeaving = false; });
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        isLeaving = true;
        return;
      }
      const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing;
      if (event.key === "Tab" && isPlain && !isLeaving) {
        event.preventDefault();
        tab(area, event.shiftKey);
      } else if (event.key === "Enter" && isPlain && !event.shiftKey) {
        const line = area.value.slice(area.value.lastIndexOf("\n", area.selectionStart - 1) + 1, area.selectionStart);
        const space = /^[ \t]*/.exec(line)[0];
        if (space) {
          event.preventDefault();
          insert(area, `\n${space}`);
        }
      }
      if (event.key !== "Shift") isLeaving = false;
    });
    number();
    return number;
  }

  // The file's text comes into the editor, to be seen before it is saved. What is no text stays chosen: the server says why.
  function takeFiles(input, area, number) {
    const told = document.createElement("p");
    told.className = "pm-help";
    told.setAttribute("role", "status");
    input.after(told);
    input.addEventListener("change", async () => {
      const file = input.files[0];
      told.textContent = "";
      if (!file || file.size > MOST_BYTES) return;
      try {
        area.value = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
      } catch {
        return;
      }
      input.value = "";
      number();
      const name = area.form.elements.name;
      if (name && !name.value) name.value = file.name.replace(/\.[^.]+$/, "");
      told.textContent = `${file.name} is in the editor now. It is not saved yet.`;
    });
  }

  document.querySelectorAll("textarea[data-code]").forEach((area) => {
    const number = edit(area);
    area.form.querySelectorAll(`input[data-code-file="${area.name}"]`).forEach((input) => takeFiles(input, area, number));
  });
})();
