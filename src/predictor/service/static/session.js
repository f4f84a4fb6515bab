// Two minutes before the session ends: say so, and let one key extend it. Without this script the same words stand
// above every form, and the link opens a page that extends it.
"use strict";
(() => {
  const WARNING = 120;
  const notice = document.getElementById("session");
  const stay = document.getElementById("stay");
  if (!notice || !stay) return;
  const usual = notice.firstChild.textContent;
  let timer = 0;
  const quiet = () => {
    notice.classList.remove("soon");
    notice.removeAttribute("role");
    notice.firstChild.textContent = usual;
    clearTimeout(timer);
    timer = setTimeout(warn, (Number(notice.dataset.seconds) - WARNING) * 1000);
  };
  const warn = () => {
    notice.classList.add("soon");
    notice.setAttribute("role", "alert");
    notice.firstChild.textContent = "You are signed out in two minutes, and what is typed and not sent is then lost. ";
    if (!document.activeElement.matches("input, select")) stay.focus();
  };
  stay.addEventListener("click", (event) => {
    event.preventDefault();
    fetch("/stay", { credentials: "same-origin" }).then(
      (answer) => { if (answer.ok) quiet(); else location.assign("/stay"); },
      () => { notice.firstChild.textContent = "The service cannot be reached. "; },
    );
  });
  quiet();
})();
