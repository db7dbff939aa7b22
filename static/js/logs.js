// The log of a replica, asked for again and again while somebody looks at it and wants to follow.
"use strict";

(() => {
  const PAUSE_MS = 2000;
  const root = document.querySelector("[data-logs]");
  const status = root.querySelector(".status");
  const follow = root.querySelector("[data-follow]");
  const sheet = root.querySelector(".log");
  let asking = false;

  function show(kind, words) {
    status.className = `status ${kind}`;
    status.textContent = words;
  }

  function write(text) {
    if (text === sheet.textContent) return;
    const atEnd = sheet.scrollHeight - sheet.scrollTop - sheet.clientHeight < 24;
    sheet.textContent = text;
    // Who has scrolled up is reading: the newest lines must not take them away.
    if (atEnd) sheet.scrollTop = sheet.scrollHeight;
  }

  async function ask() {
    if (asking) return;
    asking = true;
    try {
      const answer = await fetch(root.dataset.logs, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(`the Hive answered ${answer.status}`);
      const said = await answer.json();
      if (said.problem) return show("failed", said.problem);
      write(said.text);
      show("open", said.text ? `As of ${new Date().toLocaleTimeString()}, on ${said.node_name}` : "It has written nothing yet.");
    } catch (error) {
      show("failed", `Not reached: ${error.message}`);
    } finally {
      asking = false;
    }
  }

  root.querySelector("[data-again]").addEventListener("click", ask);
  setInterval(() => follow.checked && !document.hidden && ask(), PAUSE_MS);
  ask();
})();
