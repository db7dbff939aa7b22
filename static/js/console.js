// A terminal on a replica. Binary frames are the terminal's bytes; text frames are JSON about the connection.
// What has been drawn is acknowledged, so that the Queen stops reading while this browser is behind.
"use strict";

(() => {
  const ACK_EVERY_BYTES = 32 * 1024;
  const PING_MS = 20_000;
  const root = document.querySelector("[data-console]");
  const status = root.querySelector(".status");
  const again = root.querySelector("[data-again]");
  const encoder = new TextEncoder();
  const terminal = new Terminal({
    cursorBlink: true,
    fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
    fontSize: window.innerWidth < 600 ? 12 : 14,
    scrollback: 5000,
    theme: { background: "#15120e", foreground: "#ece6dd", cursor: "#f5b041", selectionBackground: "#5b4a2a" },
  });
  const fit = new FitAddon.FitAddon();
  terminal.loadAddon(fit);
  terminal.open(root.querySelector(".terminal"));
  fit.fit();

  let socket = null;
  let drawn = 0;
  let acknowledged = 0;

  function show(kind, words) {
    status.className = `status ${kind}`;
    status.textContent = words;
    again.hidden = kind === "open" || kind === "opening";
  }

  function tell(message) {
    if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  }

  function resize() {
    fit.fit();
    tell({ type: "resize", columns: terminal.cols, rows: terminal.rows });
  }

  function draw(bytes) {
    terminal.write(bytes, () => {
      drawn += bytes.length;
      if (drawn - acknowledged < ACK_EVERY_BYTES) return;
      acknowledged = drawn;
      tell({ type: "ack", bytes: drawn });
    });
  }

  const heard = {
    open() { show("open", "Connected"); resize(); terminal.focus(); },
    // A shell's exit code is only that of the last command typed in it.
    exit() { show("closed", "Session ended"); },
    error(message) { show("failed", message.message); },
    pong() {},
  };

  function connect() {
    const size = `columns=${terminal.cols}&rows=${terminal.rows}`;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    let said = false;
    drawn = acknowledged = 0;
    show("opening", "Opening…");
    socket = new WebSocket(`${scheme}://${location.host}${root.dataset.console}?${size}`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") return draw(new Uint8Array(data));
      const message = JSON.parse(data);
      said ||= message.type === "exit" || message.type === "error";
      heard[message.type]?.(message);
    };
    socket.onclose = () => said || show("failed", "The connection ended. What runs in the replica keeps running.");
  }

  terminal.onData((text) => socket.readyState === WebSocket.OPEN && socket.send(encoder.encode(text)));
  terminal.onBinary((text) => socket.readyState === WebSocket.OPEN && socket.send(Uint8Array.from(text, (c) => c.charCodeAt(0))));
  terminal.onResize(resize);
  window.addEventListener("resize", () => fit.fit());
  again.addEventListener("click", () => { terminal.reset(); connect(); });
  setInterval(() => tell({ type: "ping" }), PING_MS);
  connect();
})();
