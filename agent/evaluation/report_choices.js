"use strict";
const page = document.querySelector("main"), key = "souschef-choices-" + page.dataset.key;
let choices = {};
try { choices = JSON.parse(localStorage.getItem(key)) || {}; } catch { /* no storage: kept until the page is left */ }
function keep() {
  try { localStorage.setItem(key, JSON.stringify(choices)); } catch { /* as above */ }
  document.querySelector("#chosen").textContent = Object.keys(choices).length;
}
for (const button of document.querySelectorAll("input[data-case]")) {
  button.checked = choices[button.dataset.case] === button.value;
  button.addEventListener("change", () => { choices[button.dataset.case] = button.value; keep(); });
}
document.querySelector("#save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify({ report: page.dataset.key, choices }, null, 1)], { type: "application/json" }));
  link.download = "choices.json";
  link.click();
  URL.revokeObjectURL(link.href);
});
keep();
