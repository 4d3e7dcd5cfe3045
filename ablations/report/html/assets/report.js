/* Axes, sorting and sliders of the report. The selection is stored in the URL, so that a view can be shared:
   #axis=flops&sort=GenEval&order=ascending&step=800 */

const state = Object.fromEntries(new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : ""));
const charts = [], sliders = [], tables = [];

function chosen(change) {
  Object.assign(state, change);
  history.replaceState(null, "", `#${new URLSearchParams(state)}`);
  apply(change);
}

function apply(change) {
  if (change.axis) for (const chart of charts) chart.show(change.axis);
  if (change.step !== undefined) for (const slider of sliders) slider.show(Number(change.step));
  if (change.sort) for (const table of tables) if (table.addressed) table.sort(change.sort, change.order);
}

/* A number at the start of a cell, before a space or its end, so that hashes such as 9e12ab are not numbers. */
const NUMBER = /^[+−-]?\d[\d,]*(\.\d+)?(e[+-]\d+)?(?=$|\s)/, MISSING = new Set(["", "–", "not reached"]);

/* Sorts a table by numbers if all cells of the column are numbers, otherwise by text; cells without a value come last. */
class Sortable {
  constructor(table) {
    this.table = table;
    this.addressed = table.classList.contains("comparison");
    this.heads = [...table.tHead.rows[0].cells];
    for (const head of this.heads) {
      const name = head.textContent;
      if (!name) continue;
      head.textContent = "";
      const button = element("button", { type: "button", title: `Sort by ${name}` }, head, name);
      button.addEventListener("click", () => {
        const order = head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
        if (this.addressed) chosen({ sort: name, order });
        else this.sort(name, order);
      });
    }
  }

  sort(name, order = "descending") {
    const column = this.heads.findIndex((head) => head.textContent === name);
    if (column < 0) return;
    const sign = order === "ascending" ? 1 : -1, body = this.table.tBodies[0];
    const read = (row) => {
      const text = row.cells[column].textContent.trim(), found = text.match(NUMBER);
      return { row, text, missing: MISSING.has(text), number: found && Number(found[0].replaceAll(",", "").replace("−", "-")) };
    };
    const rows = [...body.rows].map(read), numbers = column > 0 && rows.every((r) => r.missing || r.number !== null);
    rows.sort((a, b) => {
      if (a.missing || b.missing) return a.missing - b.missing;
      return sign * (numbers ? a.number - b.number : a.text.localeCompare(b.text, "en"));
    });
    body.append(...rows.map((r) => r.row));
    this.heads.forEach((head, k) => (k === column ? head.setAttribute("aria-sort", order) : head.removeAttribute("aria-sort")));
  }
}

/* Sample images of one training step. */
class Slider {
  constructor(grid, table) {
    this.grid = grid;
    const box = table.closest("section").querySelector(`input[type=range][id$=-${grid.kind}]`);
    this.input = box;
    this.output = box.parentElement.querySelector("output");
    this.rows = [...table.tBodies[0].rows];
    box.addEventListener("input", () => chosen({ step: grid.steps[Number(box.value)] }));
    this.show(grid.steps.at(-1));
  }

  /* Show the recorded step nearest to the given one. */
  show(step) {
    if (!Number.isFinite(step)) return;
    const { grid } = this, far = grid.steps.map((s) => Math.abs(s - step)), place = far.indexOf(Math.min(...far));
    const at = grid.steps[place];
    this.input.value = place;
    this.input.setAttribute("aria-valuetext", `step ${at}`);
    this.output.textContent = at.toLocaleString("en");
    this.rows.forEach((row, prompt) => grid.designs.forEach((design, column) => {
      const source = grid.pictures[design][place], cell = row.cells[column + 1], label = `${design} at step ${at}: ${grid.prompts[prompt]}`;
      if (!source) return cell.replaceChildren("–");
      const tiles = Array.from({ length: grid.times }, (_, k) => tile(grid, source, prompt * grid.times + k, label));
      const box = element("div");
      box.append(...tiles);
      cell.replaceChildren(box);
    }));
  }
}

function begin() {
  const given = data().sweeps;
  for (const table of document.querySelectorAll("table.sortable")) tables.push(new Sortable(table));
  for (const article of document.querySelectorAll("[data-sweep]")) {
    const own = given[Number(article.dataset.sweep)];
    if (own.chart.panels.length) charts.push(new Chart(own.chart, article.querySelector("[data-charts]"), chosen));
    for (const grid of own.grids) sliders.push(new Slider(grid, article.querySelector(`table[data-kind=${grid.kind}]`)));
  }
  for (const chart of charts) chart.draw();
  apply(state);
}

/* Open collapsed sections for printing, except tables of points, which may have a thousand rows. */
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("details:not([open], .points)")];
  for (const details of unfolded) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of unfolded) details.open = false;
});

begin();
addEventListener("hashchange", () => {
  if (location.hash.includes("=")) {
    Object.assign(state, Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
    apply(state);
  }
});
