import { base64, forget, holder, load, save, unbase64 } from "./keys.js";

const have = document.getElementById("have");
const forgetting = document.getElementById("forget");

async function show() {
  if (!globalThis.crypto?.subtle) {
    have.textContent = "This browser signs only on https or localhost.";
    return;
  }
  const record = await load();
  forgetting.hidden = !record;
  if (!record) {
    have.textContent = "No key.";
    return;
  }
  const signer = await holder(record.key);
  have.textContent = signer
    ? `The key of ${signer.person} (${signer.roles.join(", ")}).`
    : "A key that belongs to no principal of this charter yet.";
}

async function doing(act) {
  try {
    await act();
    await show();
  } catch (error) {
    have.textContent = `Not done: ${error.message || error.name}`;
  }
}

document.getElementById("import").addEventListener("click", () =>
  doing(async () => {
    const field = document.getElementById("pem");
    const file = document.getElementById("file").files[0];
    const text = field.value.trim() || (file ? await file.text() : "");
    const found = text.match(/-----BEGIN PRIVATE KEY-----([\s\S]+?)-----END PRIVATE KEY-----/);
    if (!found) throw new Error("that is no PEM private key");
    let key;
    try {
      key = await crypto.subtle.importKey("pkcs8", unbase64(found[1].replace(/\s+/g, "")), "Ed25519", false, ["sign"]);
    } catch {
      throw new Error("that is no Ed25519 private key");
    }
    if (!(await holder(key))) throw new Error("that key belongs to no principal of this charter");
    await save({ key });
    field.value = "";
    document.getElementById("file").value = "";
  }),
);

document.getElementById("make").addEventListener("click", () =>
  doing(async () => {
    const name = document.getElementById("name").value.trim();
    if (!name) throw new Error("say your name in the charter first");
    if (await load()) throw new Error("this browser has a key; forget it first");
    const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
    const spki = await crypto.subtle.exportKey("spki", pair.publicKey);
    await save({ key: pair.privateKey });
    const lines = base64(spki).match(/.{1,64}/g).join("\n");
    document.getElementById("public").textContent =
      `# ${name}.pub\n-----BEGIN PUBLIC KEY-----\n${lines}\n-----END PUBLIC KEY-----\n\n` +
      `# adhere warden charter rotate --add ${name}=${name}.pub\n`;
    document.getElementById("made").hidden = false;
  }),
);

forgetting.addEventListener("click", () => doing(forget));
doing(async () => {});
