// Small helpers of every page: moments in the reader's own time, countdowns, menus, copying, files into text.
"use strict";

const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat([], { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

const weekday = new Intl.DateTimeFormat([], { weekday: "long", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const clocks = { time: clock, day, weekday };

/** The two largest units of a length of time, as the server writes it. */
function span(seconds) {
  let left = Math.max(Math.floor(seconds), 0);
  const parts = [];
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    const count = Math.floor(left / size);
    left %= size;
    if (count || (unit === "s" && !parts.length)) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(" ");
}

function localise(root) {
  for (const time of root.querySelectorAll("time[data-moment]")) {
    const at = new Date(time.dateTime);
    time.textContent = clocks[time.dataset.moment].format(at);
  }
}

function count() {
  for (const time of document.querySelectorAll("time[data-countdown]")) {
    time.textContent = span((new Date(time.dateTime) - Date.now()) / 1000);
  }
}

function closeMenus(event) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
}

/** `<button data-copy="#id">`: the text of that element to the clipboard. */
async function copy(event) {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const words = button.textContent;
  try {
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select it and copy";
  }
  setTimeout(() => (button.textContent = words), 1600);
}

/** `<input type=file data-into="#id">`: the file's text into that text area, to be looked at before it is sent. */
async function readFile(event) {
  const input = event.target.closest("input[type=file][data-into]");
  if (!input || !input.files.length) return;
  document.querySelector(input.dataset.into).value = await input.files[0].text();
  const name = document.querySelector("input[name=file_name]");
  if (name) name.value = input.files[0].name;
}

document.addEventListener("click", closeMenus);
document.addEventListener("click", copy);
document.addEventListener("click", (event) => event.target.closest("button[data-print]") && window.print());
document.addEventListener("change", readFile);
document.addEventListener("keydown", (event) => event.key === "Escape" && closeMenus({ target: null }));
document.addEventListener("htmx:wsAfterMessage", () => { localise(document); count(); });
document.addEventListener("htmx:wsOpen", () => document.body.classList.add("is-live"));
document.addEventListener("htmx:wsClose", () => document.body.classList.remove("is-live"));
localise(document);
count();
setInterval(count, 1000);
