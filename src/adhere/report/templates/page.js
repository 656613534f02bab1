// Sort, filter and download tables; copy commands; open everything for print. The page is complete without it.
"use strict";
(() => {
  const number = (text) => {
    const found = text.replace("−", "-").match(/[+-]?\d[\d,]*\.?\d*(e[+-]?\d+)?/);
    return found ? parseFloat(found[0].replace(/,/g, "")) : NaN;
  };
  const cells = (row) => [...row.cells].map((cell) => cell.textContent.trim());
  const button = (label, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = label;
    made.addEventListener("click", act);
    return made;
  };
  const sort = (table, column, heading) => {
    const down = heading.getAttribute("aria-sort") !== "descending";
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((one, other) => {
      const [a, b] = [one.cells[column].textContent.trim(), other.cells[column].textContent.trim()];
      const [x, y] = [number(a), number(b)];
      const order = isNaN(x) || isNaN(y) ? a.localeCompare(b) : x - y;
      return down ? -order : order;
    });
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  };
  const csv = (table) => {
    const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
    const lines = [table.tHead.rows[0], ...table.tBodies[0].rows].map((row) => cells(row).map(quoted).join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
    link.download = (table.closest("figure")?.id || "table") + ".csv";
    link.click();
    URL.revokeObjectURL(link.href);
  };
  for (const table of document.querySelectorAll("table")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      if (!heading.textContent.trim()) return;
      const label = heading.textContent;
      heading.textContent = "";
      heading.append(button(label, () => sort(table, column, heading)));
    });
    const tools = document.createElement("p");
    tools.className = "tools";
    if (table.tBodies[0].rows.length > 10) {
      const filter = document.createElement("input");
      filter.type = "search";
      filter.placeholder = "Filter rows";
      filter.setAttribute("aria-label", "Filter rows");
      filter.addEventListener("input", () => {
        const wanted = filter.value.toLowerCase();
        for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
      });
      tools.append(filter);
    }
    tools.append(button("Download CSV", () => csv(table)));
    table.closest(".scroll").after(tools);
  }
  for (const code of document.querySelectorAll(".recompute code, .command code")) {
    const copy = button("Copy", async () => {
      await navigator.clipboard.writeText(code.textContent);
      copy.textContent = "Copied";
      setTimeout(() => (copy.textContent = "Copy"), 1500);
    });
    code.after(" ", copy);
  }
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details")) one.open = true;
  });
})();
