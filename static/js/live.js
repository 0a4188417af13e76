// Parts of pages that come by themselves (htmx). Whoever was signed out meanwhile is shown the sign-in, and no part of it.
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
  // What it shows was removed meanwhile, or is no longer for this person: the page that says so, in place of asking without end.
  document.addEventListener("htmx:responseError", (event) => {
    const { xhr, requestConfig } = event.detail;
    if (requestConfig?.verb === "get" && [403, 404].includes(xhr.status)) window.location.reload();
  });
})();
