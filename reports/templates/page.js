"use strict";
// a link into a closed run opens it, so that the target can be seen
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}
addEventListener("hashchange", reveal);
reveal();
// paper has no closed runs
const opened = [];
addEventListener("beforeprint", () => {
  for (const run of document.querySelectorAll("details:not([open])")) {
    run.open = true;
    opened.push(run);
  }
});
addEventListener("afterprint", () => {
  for (const run of opened.splice(0)) run.open = false;
});
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    const status = document.getElementById("status");
    try {
      await navigator.clipboard.writeText(code.textContent);
      status.textContent = "Copied";
    } catch {
      // a page opened from a file may not write to the clipboard: select the text instead
      getSelection().selectAllChildren(code);
      status.textContent = "Selected; press Ctrl-C";
    }
    button.textContent = status.textContent;
  });
}
