// Sort, filter and download tables; copy commands; open everything for print. The page is complete without it.
"use strict";
(() => {
  const number = (text) => {
    const digits = text.replace("−", "-").match(/[+-]?\d[\d,]*\.?\d*(e[+-]?\d+)?/);
    return digits ? parseFloat(digits[0].replace(/,/g, "")) : NaN;
  };
  const cells = (row) => [...row.cells].map((cell) => cell.textContent.trim());
  const button = (label, act) => {
    const element = document.createElement("button");
    element.type = "button";
    element.textContent = label;
    element.addEventListener("click", act);
    return element;
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
  // a spreadsheet would run what begins like a formula
  const quoted = (value) => {
    const text = /^[=+\-@\t\r]/.test(value) && isNaN(value) ? `'${value}` : value;
    return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  const save = (name, type, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  const csv = (rows) => rows.map((row) => row.map(quoted).join(",")).join("\n") + "\n";
  const download = document.getElementById("download");
  if (download) {
    const text = document.getElementById("findings").textContent;
    const flat = (one) => ({
      what: one.what, ...one.subject, estimate: one.estimate, low: one.interval?.[0], high: one.interval?.[1],
      confidence: one.confidence, n: one.n, unit: one.unit,
    });
    const asRows = () => {
      const rows = JSON.parse(text).findings.map(flat);
      const columns = [...new Set(rows.flatMap(Object.keys))];
      return [columns, ...rows.map((row) => columns.map((column) => String(row[column] ?? "")))];
    };
    download.append(
      "Findings: ",
      button("Download JSON", () => save("findings.json", "application/json", text)),
      button("Download CSV", () => save("findings.csv", "text/csv", csv(asRows()))),
    );
    download.hidden = false;
  }
  for (const figure of document.querySelectorAll("figure")) {
    const examples = [...figure.querySelectorAll(":scope > .example")];
    const tools = document.createElement("p");
    tools.className = "tools";
    const chosen = {};
    for (const by of ["family", "outcome"]) {
      const values = [...new Set(examples.map((one) => one.dataset[by]).filter(Boolean))].sort();
      if (values.length < 2) continue;
      const select = document.createElement("select");
      select.setAttribute("aria-label", `Show by ${by}`);
      select.append(new Option(`every ${by}`, ""), ...values.map((value) => new Option(value, value)));
      select.addEventListener("change", () => {
        chosen[by] = select.value;
        for (const one of examples)
          one.hidden = Object.entries(chosen).some(([key, value]) => value && one.dataset[key] !== value);
      });
      tools.append(select);
    }
    if (tools.childElementCount) examples[0].before(tools);
  }
  for (const table of document.querySelectorAll("table")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      if (heading.querySelector(".unseen")) return;
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
    tools.append(button("Download CSV", () => {
      const rows = [table.tHead.rows[0], ...table.tBodies[0].rows].map(cells);
      save((table.closest("figure")?.id || "table") + ".csv", "text/csv", csv(rows));
    }));
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
