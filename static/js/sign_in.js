// What went wrong with a passkey is said beside its button; allauth's script reports it by this event.
(() => {
  "use strict";

  const NAMES = {
    NotAllowedError: "cancelled",
    AbortError: "cancelled",
    InvalidStateError: "known",
    NotSupportedError: "unsupported",
    TypeError: "unsupported",
    SecurityError: "address",
  };

  document.addEventListener("allauth.error", (event) => {
    const words = document.getElementById("pm-passkey-words");
    const place = document.querySelector(".pm-passkey-error");
    if (!words || !place) return;
    event.preventDefault();
    place.textContent = words.dataset[NAMES[event.detail.exception?.name] ?? "other"];
    place.hidden = false;
  });
})();
