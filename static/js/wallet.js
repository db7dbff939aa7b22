// Asks the wallet that lives in this browser (EIP-1193) for an address and for signatures. Without one, both are typed.
"use strict";

(() => {
  const wallet = window.ethereum;
  if (!wallet) return;

  const hex = (text) => "0x" + Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("");

  async function address() {
    const [first] = await wallet.request({ method: "eth_requestAccounts" });
    if (!first) throw new Error("the wallet names no account");
    return first;
  }

  async function ask(form) {
    form.elements.address.value = await address();
    form.requestSubmit();
  }

  async function sign(form) {
    const wanted = form.dataset.address;
    const mine = await address();
    if (mine.toLowerCase() !== wanted) throw new Error(`the wallet is at ${mine}: switch it to ${wanted}`);
    const text = document.querySelector(form.dataset.sign).textContent;
    form.elements.signature.value = await wallet.request({ method: "personal_sign", params: [hex(text), mine] });
    form.requestSubmit();
  }

  function offer(form, act) {
    const button = form.querySelector("[data-browser-wallet]");
    const problem = form.querySelector("[data-problem]");
    button.hidden = false;
    button.addEventListener("click", async () => {
      problem.hidden = true;
      button.disabled = true;
      try {
        await act(form);
      } catch (error) {
        problem.textContent = `The wallet did not do it: ${error.message || error}`;
        problem.hidden = false;
      } finally {
        button.disabled = false;
      }
    });
  }

  document.querySelectorAll("form[data-ask]").forEach((form) => offer(form, ask));
  document.querySelectorAll("form[data-sign]").forEach((form) => offer(form, sign));
})();
