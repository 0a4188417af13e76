// What the admin's own pages do in the browser. Everything also works without: this only saves a click or a reload.
(() => {
  "use strict";

  const MENUS = "details.pm-menu[open], details.pm-user[open]";
  const WATCH_EVERY_MS = 2500;
  const WATCH_AT_MOST = 240; // ten minutes; then the person reloads

  function copy(button) {
    const text = button.dataset.copy;
    const done = () => {
      const icon = button.querySelector(".material-symbols-outlined");
      icon.textContent = "check";
      button.title = "Copied";
      setTimeout(() => { icon.textContent = "content_copy"; button.title = "Copy"; }, 1500);
    };
    if (navigator.clipboard && window.isSecureContext) {
      navigator.clipboard.writeText(text).then(done);
      return;
    }
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    area.style.opacity = "0";
    document.body.append(area);
    area.select();
    if (document.execCommand("copy")) done();
    area.remove();
  }

  // A page that waits for a device asks now and then whether there is something new, and only then loads itself again.
  function watch(element) {
    let asked = 0;
    const ask = async () => {
      asked += 1;
      if (asked > WATCH_AT_MOST) return;
      const isTyping = ["INPUT", "TEXTAREA", "SELECT"].includes(document.activeElement?.tagName);
      if (document.visibilityState === "visible" && !isTyping) {
        try {
          const response = await fetch(element.dataset.watch, { headers: { Accept: "application/json" } });
          if (!response.ok) return;
          if ((await response.json()).mark !== element.dataset.mark) {
            window.location.reload();
            return;
          }
        } catch {
          // The network is away for a moment: ask again later.
        }
      }
      setTimeout(ask, WATCH_EVERY_MS);
    };
    setTimeout(ask, WATCH_EVERY_MS);
  }

  // Hides what does not contain the words; sections that become empty go with it.
  function find(input) {
    const place = document.getElementById(input.dataset.find);
    const words = input.value.trim().toLowerCase();
    const rows = place.querySelectorAll(place.tagName === "TABLE" ? "tbody tr" : "[data-text]");
    let shown = 0;
    rows.forEach((row) => {
      row.hidden = !(row.dataset.text || row.textContent.toLowerCase()).includes(words);
      shown += row.hidden ? 0 : 1;
    });
    place.querySelectorAll("[data-family]").forEach((family) => {
      family.hidden = !family.querySelector("[data-text]:not([hidden])");
    });
    const none = document.querySelector("[data-none]");
    if (none) none.hidden = shown > 0;
  }

  // Times are written in UTC; people think in their own.
  function localTime(at, withSeconds = true) {
    const two = (number) => String(number).padStart(2, "0");
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    const seconds = withSeconds ? `:${two(at.getSeconds())}` : "";
    return { day, clock: `${two(at.getHours())}:${two(at.getMinutes())}${seconds}` };
  }

  function showLocalTime(element) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) return;
    const { day, clock } = localTime(at, element.dataset.local !== "minutes");
    element.title = element.textContent;
    element.textContent = `${day} ${clock}`;
  }

  // Fields for times show the reader's own, and send UTC.
  function askLocalTimes(form) {
    const inputs = form.querySelectorAll("input[data-utc]");
    inputs.forEach((input) => {
      const at = new Date(`${input.value}Z`);
      if (input.value && !Number.isNaN(at.getTime())) {
        const { day, clock } = localTime(at, false);
        input.value = `${day}T${clock}`;
      }
    });
    form.querySelectorAll("[data-zone]").forEach((element) => { element.textContent = "your time"; });
    form.addEventListener("formdata", (event) => {
      inputs.forEach((input) => {
        event.formData.delete(input.name);
        const at = new Date(input.value);
        if (input.value && !Number.isNaN(at.getTime())) event.formData.set(input.name, `${at.toISOString().slice(0, 16)}`);
      });
    });
  }

  // Sends a form with a large file and shows how far it has come. What is refused is said here: the file stays chosen.
  function upload(form) {
    const status = form.querySelector("[data-upload-status]");
    const errors = form.querySelector("[data-upload-errors]");
    const button = form.querySelector("button[type=submit]");
    const [bar, words] = [status.querySelector("progress"), status.querySelector("span")];
    const megabytes = (bytes) => Math.ceil(bytes / 1e6).toLocaleString("en");

    function refuse(sentences) {
      const box = document.createElement("div");
      sentences.forEach((sentence) => {
        const line = document.createElement("p");
        line.textContent = sentence;
        box.append(line);
      });
      errors.replaceChildren(box);
      errors.hidden = false;
      status.hidden = true;
      button.disabled = false;
    }

    function answered(request) {
      let answer = null;
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        refuse([request.status === 413 ? request.responseText : "The server did not take it. Reload this page and try again."]);
        return;
      }
      if (answer.url) window.location.assign(answer.url);
      else refuse(answer.errors);
    }

    form.addEventListener("submit", (event) => {
      const input = form.querySelector("input[type=file]");
      const file = input.files[0];
      if (!file) return;
      event.preventDefault();
      if (file.size > Number(input.dataset.maxBytes)) {
        refuse([`This file has ${megabytes(file.size)} MB, and at most ${megabytes(input.dataset.maxBytes)} MB can be uploaded.`]);
        return;
      }
      errors.hidden = true;
      status.hidden = false;
      button.disabled = true;
      const request = new XMLHttpRequest();
      request.open("POST", form.action);
      request.setRequestHeader("Accept", "application/json");
      request.upload.addEventListener("progress", ({ loaded, total }) => {
        bar.value = (loaded / total) * 100;
        words.textContent = loaded < total ? `${megabytes(loaded)} of ${megabytes(total)} MB` : "Looking into the file…";
      });
      request.addEventListener("load", () => answered(request));
      request.addEventListener("error", () => refuse(["The connection broke off. Try again."]));
      request.send(new FormData(form));
    });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      event.preventDefault();
      copy(button);
    }
    document.querySelectorAll(MENUS).forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    document.querySelectorAll(MENUS).forEach((menu) => {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-find]")) find(event.target);
  });
  // In a menu with a field to find things by, Enter takes the first that is left.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches(".pm-menu [data-find]")) return;
    event.preventDefault();
    document.getElementById(event.target.dataset.find).querySelector("li[data-text]:not([hidden]) :is(a, button)")?.click();
  });
  document.addEventListener("toggle", (event) => {
    if (!event.target.matches("details.pm-menu[open]")) return;
    const panel = event.target.querySelector(".pm-panel");
    if (!panel) return;
    panel.style.translate = "";
    const { left, right } = panel.getBoundingClientRect();
    const beyond = right + 8 - document.documentElement.clientWidth;
    if (beyond > 0) panel.style.translate = `${-Math.min(beyond, left - 8)}px`;
    panel.querySelector("[data-find]")?.focus({ preventScroll: true });
  }, true);
  document.addEventListener("DOMContentLoaded", () => {
    document.documentElement.classList.add("pm-script");
    document.querySelectorAll("[data-watch]").forEach(watch);
    document.querySelectorAll("form[data-upload]").forEach(upload);
    document.querySelectorAll("time[data-local]").forEach(showLocalTime);
    document.querySelectorAll("form[data-local-times]").forEach(askLocalTimes);
    // The theme writes the name of a chosen file into the next text field, which on our forms is one of another meaning.
    document.querySelectorAll("input[type=file]").forEach((input) => { input.hasChangeListener = true; });
  });
})();
