// Parts of a page that follow what happens: when the server says that something did, they are fetched again.
// The first thing it says is that it listens (again), so what happened since the page was made is not missed.

const parts = [...document.querySelectorAll("[data-live]")];
let due = false;

async function refresh() {
  due = false;
  for (const part of parts) {
    if (part.contains(document.activeElement) || part.querySelector("details[open]")) continue;
    const response = await fetch(part.dataset.live, { headers: { accept: "text/html" } });
    if (response.ok && !response.redirected) part.innerHTML = await response.text();
  }
}

if (parts.length) {
  const events = new EventSource("/console/events");
  events.onmessage = () => {
    if (due) return;
    due = true;
    setTimeout(() => refresh().catch(() => {}), 400);
  };
  addEventListener("pagehide", () => events.close());
}
