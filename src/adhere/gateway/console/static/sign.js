// Sign what is shown: the draft must be about the very text that stands on the page.

import { hex, holder, load, pae, unbase64 } from "./keys.js";

const signer = document.getElementById("signer");
const said = document.getElementById("said");
const buttons = [...document.querySelectorAll("[data-sign]")];
const sure = document.getElementById("sure");
const ROLES = { approve: "confirm", refuse: "confirm", stop: "stop" };
let own = null;

async function ready() {
  if (!buttons.length) return;
  if (!globalThis.crypto?.subtle) {
    signer.textContent = "This browser signs only on https or localhost.";
    return;
  }
  const record = await load();
  const person = record ? await holder(record.key) : null;
  if (!person) {
    signer.innerHTML = "";
    const link = document.createElement("a");
    link.href = "/console/key";
    link.textContent = record ? "Your key is not in this charter" : "Import or make your key first";
    signer.append(link);
    return;
  }
  own = { key: record.key, ...person };
  signer.textContent = `You sign as ${person.person} (${person.roles.join(", ")}).`;
  enable();
}

function enable() {
  for (const button of buttons) button.disabled = !own || (sure && !sure.checked);
}

async function json(response) {
  const body = await response.json();
  if (!response.ok) throw new Error(body.error ?? `status ${response.status}`);
  return body;
}

async function sign(kind, request) {
  const query = new URLSearchParams({ kind, request, text: document.getElementById("why")?.value ?? "" });
  const draft = await json(await fetch(`/console/draft?${query}`, { headers: { accept: "application/json" } }));
  const payload = unbase64(draft.payload);
  const statement = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  if (statement.kind !== kind) throw new Error("the draft says something else: nothing was signed");
  if (request) {
    const text = document.getElementById("shown").textContent;
    const digest = hex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
    if (digest !== statement.shown) throw new Error("the act changed since it was shown: nothing was signed");
  } else if (!own.roles.includes(ROLES[kind])) {
    throw new Error(`${own.person} is not of the role ${ROLES[kind]}`);
  }
  const signature = await crypto.subtle.sign("Ed25519", own.key, pae(draft.type, payload));
  return json(
    await fetch("/console/statement", {
      method: "POST",
      headers: {
        accept: "application/json",
        "content-type": "application/json",
        "x-adhere-token": document.body.dataset.token,
      },
      body: JSON.stringify({ payload: draft.payload, keyid: own.keyid, signature: hex(signature) }),
    }),
  );
}

for (const button of buttons) {
  button.addEventListener("click", async () => {
    for (const each of buttons) each.disabled = true;
    said.className = "";
    said.textContent = "Signing …";
    try {
      const answer = await sign(button.dataset.sign, button.dataset.request ?? "");
      said.className = "done";
      said.textContent = `${answer.kind}: ${answer.reason}, signed by ${answer.by} (entry ${answer.entry}).`;
      if (answer.kind === "stop") location.reload();
    } catch (error) {
      said.className = "fault";
      said.textContent = error.message || error.name;
      enable();
    }
  });
}
sure?.addEventListener("change", enable);
ready().catch((error) => {
  if (signer) signer.textContent = `Your key cannot be used: ${error.message || error.name}`;
});
