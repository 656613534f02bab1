// The signing key of this browser: an Ed25519 CryptoKey that cannot be exported, in IndexedDB.

const NAME = "adhere-console";

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("keys");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function store(mode, act) {
  const db = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = db.transaction("keys", mode);
      const request = act(transaction.objectStore("keys"));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(transaction.error);
    });
  } finally {
    db.close();
  }
}

export const load = () => store("readonly", (keys) => keys.get("own"));
export const save = (record) => store("readwrite", (keys) => keys.put(record, "own"));
export const forget = () => store("readwrite", (keys) => keys.delete("own"));

export const hex = (bytes) => Array.from(new Uint8Array(bytes), (b) => b.toString(16).padStart(2, "0")).join("");
export const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
export const unbase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
export const base64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)));

// What DSSE signs: type and payload, each with its length (pre-authentication encoding, version 1).
export function pae(type, payload) {
  const head = new TextEncoder().encode(`DSSEv1 ${type.length} ${type} ${payload.length} `);
  const whole = new Uint8Array(head.length + payload.length);
  whole.set(head);
  whole.set(payload, head.length);
  return whole;
}

export async function signers() {
  const response = await fetch("/console/signers", { headers: { accept: "application/json" } });
  if (!response.ok) throw new Error((await response.json()).error ?? "the charter's keys cannot be had");
  return (await response.json()).signers;
}

// Whose key this is: the principal whose public key verifies a signature of it over random bytes.
export async function holder(key) {
  const probe = crypto.getRandomValues(new Uint8Array(32));
  const signature = await crypto.subtle.sign("Ed25519", key, probe);
  for (const signer of await signers()) {
    const known = await crypto.subtle.importKey("raw", unhex(signer.public), "Ed25519", true, ["verify"]);
    if (await crypto.subtle.verify("Ed25519", known, signature, probe)) return signer;
  }
  return null;
}
