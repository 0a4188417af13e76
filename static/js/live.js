// Parts of a page that refresh themselves (htmx, `hx-trigger="every …"`). Whoever was signed out meanwhile is shown the sign-in.
(() => {
  "use strict";

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig } = event.detail;
    if (!requestConfig || requestConfig.verb !== "get" || !xhr.responseURL) return;
    const wanted = new URL(requestConfig.path, window.location.href).pathname;
    if (new URL(xhr.responseURL).pathname !== wanted) {
      event.detail.shouldSwap = false;
      window.location.reload();
    }
  });
})();
