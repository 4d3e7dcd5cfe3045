/* Charts of curves with bands, drawn for the available width. Pointer and arrow keys select points and show their values. */

const MARGIN = { left: 44, right: 10, top: 8, bottom: 36 };

function ticks(low, high, count) {
  const raw = (high - low) / count, size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((k) => k * size).find((k) => k >= raw);
  const out = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) out.push(Number(v.toPrecision(12)));
  return out;
}

function logTicks(low, high) {
  const out = [];
  for (let e = Math.floor(Math.log10(low)); 10 ** e <= high; e++) {
    for (const k of [1, 2, 5]) if (k * 10 ** e >= low && k * 10 ** e <= high) out.push(k * 10 ** e);
  }
  return out;
}

const short = (v) => v.toLocaleString("en", { maximumSignificantDigits: 4 });

class Panel {
  constructor(panel, chart, parent) {
    this.panel = panel;
    this.chart = chart;
    this.box = element("figure", { class: "panel" }, parent);
    element("h3", {}, this.box, panel.title);
    this.svg = svgElement("svg", { role: "application", tabindex: 0, "aria-roledescription": "chart" }, this.box);
    this.tip = element("div", { class: "tip", role: "status" }, this.box);
    this.at = null; // the selected point: index of its series, index in the series
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerdown", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.read(null));
    this.svg.addEventListener("blur", () => this.read(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
  }

  /* Compute the positions of all points for the current axis, and draw them. */
  draw() {
    const { panel, chart } = this, axis = panel.axis || chart.axis;
    this.width = Math.max(240, this.box.clientWidth - 20);
    this.height = Math.round(Math.min(300, Math.max(200, this.width * 0.72)));
    const shown = panel.series.filter((s) => !chart.hidden.has(s.design) && s.x[axis.key]);
    const xs = shown.flatMap((s) => s.x[axis.key]).map((v) => v / axis.unit);
    const ys = shown.flatMap((s) => [...s.low, ...s.high]).filter((v) => v !== null);
    const bounds = panel.lines.map((l) => l.value);
    const right = Math.max(...xs, 1e-9);
    let [low, high] = [0, Math.max(...ys, ...bounds, 1e-9) * 1.04];
    if (panel.log) [low, high] = [Math.min(...ys, ...bounds) * 0.85, high * 1.15];
    else low = Math.min(0, ...ys);
    const x = (v) => MARGIN.left + (v / right) * (this.width - MARGIN.left - MARGIN.right);
    const share = panel.log ? (v) => Math.log(v / low) / Math.log(high / low) : (v) => (v - low) / (high - low);
    const y = (v) => this.height - MARGIN.bottom - share(v) * (this.height - MARGIN.top - MARGIN.bottom);
    this.points = shown.map((s) => ({
      series: s,
      at: s.y.map((v, k) => ({ k, x: x(s.x[axis.key][k] / axis.unit), y: v === null ? null : y(v) })).filter((p) => p.y !== null),
    })).filter((s) => s.at.length);
    this.svg.replaceChildren();
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    const names = shown.map((s) => chart.of(s.design).label).join("; ");
    this.svg.setAttribute("aria-label", `${panel.title} over ${axis.title}: ${names}. Arrow keys read the points.`);
    if (!shown.length) return;
    for (const v of panel.log ? logTicks(low, high) : ticks(low, high, 5)) {
      svgElement("path", { class: "grid", d: `M${MARGIN.left},${y(v)}H${this.width - MARGIN.right}` }, this.svg);
      svgElement("text", { x: MARGIN.left - 6, y: y(v) + 4, "text-anchor": "end" }, this.svg, short(v));
    }
    const bottom = this.height - MARGIN.bottom;
    svgElement("path", { class: "axis", d: `M${MARGIN.left},${bottom}H${this.width - MARGIN.right}` }, this.svg);
    for (const v of ticks(0, right, this.width < 300 ? 3 : 5)) {
      svgElement("text", { x: x(v), y: bottom + 15, "text-anchor": "middle" }, this.svg, short(v));
    }
    svgElement("text", { x: (MARGIN.left + this.width) / 2, y: this.height - 4, "text-anchor": "middle" }, this.svg, axis.title);
    for (const line of panel.lines) {
      const name = { class: `bound ${line.kind}`, d: `M${MARGIN.left},${y(line.value)}H${this.width - MARGIN.right}` };
      svgElement("path", name, this.svg);
    }
    for (const { series, at } of this.points) this.line(series, at, y);
    this.names(y); // after the curves, which would hide names where they begin near the floor
    this.ring = svgElement("circle", { class: "ring", r: 7, visibility: "hidden" }, this.svg);
  }

  /* Write names of ceilings and floors above their lines, or below if another one is near; names that would still
     overlap move to the right. */
  names(y) {
    const set = [], beside = (at) => set.filter((other) => Math.abs(other.at - at) < 12);
    for (const line of [...this.panel.lines].sort((a, b) => b.value - a.value)) {
      const above = Math.max(y(line.value) - 3, MARGIN.top + 4), at = beside(above).length ? y(line.value) + 11 : above;
      const x = Math.max(MARGIN.left + 4, ...beside(at).map((other) => other.end));
      const text = svgElement("text", { class: "named", x, y: at }, this.svg, line.name);
      set.push({ at, end: x + text.getComputedTextLength() + 12 });
    }
  }

  line(series, at, y) {
    const design = this.chart.of(series.design), group = svgElement("g", { class: `series c${design.shade}` }, this.svg);
    if (series.seeds > 1 && at.length > 1) {
      const up = at.map((p) => `${p.x},${y(series.high[p.k])}`), down = at.map((p) => `${p.x},${y(series.low[p.k])}`);
      svgElement("path", { class: "band", d: `M${up.join("L")}L${down.reverse().join("L")}Z` }, group);
    }
    const path = `M${at.map((p) => `${p.x},${p.y}`).join("L")}`;
    svgElement("path", { class: "line", d: path, "stroke-dasharray": design.dash }, group);
    const every = Math.ceil(at.length / 16); // about 16 markers distinguish lines without hiding them
    for (const p of at.filter((_, k) => (at.length - 1 - k) % every === 0)) {
      svgElement("path", { class: "dot", d: design.path, transform: `translate(${p.x},${p.y})` }, group);
    }
  }

  point(event) {
    const frame = this.svg.getBoundingClientRect(), scale = this.width / frame.width;
    const px = (event.clientX - frame.left) * scale, py = (event.clientY - frame.top) * scale;
    let best = null, least = Infinity;
    this.points.forEach((s, number) => s.at.forEach((p, place) => {
      const far = (p.x - px) ** 2 + (p.y - py) ** 2;
      if (far < least) [best, least] = [[number, place], far];
    }));
    this.read(best);
  }

  key(event) {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (event.key === "Escape") return this.read(null);
    if (!(event.key in moves) || !this.points.length) return;
    event.preventDefault();
    if (!this.at) return this.read([0, this.points[0].at.length - 1]);
    const [s, p] = moves[event.key], count = this.points.length;
    const series = (this.at[0] + s + count) % count, last = this.points[series].at.length - 1;
    this.read([series, Math.min(last, Math.max(0, this.at[1] + p))]);
  }

  /* Show the values of a point beside it; null clears them. */
  read(at) {
    this.at = at;
    if (!at) {
      this.tip.textContent = "";
      if (this.ring) this.ring.setAttribute("visibility", "hidden");
      return;
    }
    const { series, at: points } = this.points[at[0]], p = points[at[1]], { panel } = this, k = p.k;
    const axis = panel.axis || this.chart.axis, digits = (v) => v.toFixed(panel.digits);
    const where = axis.key === "steps" ? "" : `, ${short(series.x[axis.key][k] / axis.unit)} ${axis.title}`;
    const spread = series.seeds > 1 ? ` (${digits(series.low[k])} to ${digits(series.high[k])} over ${series.seeds} seeds)` : "";
    const step = series.steps[k].toLocaleString("en");
    this.tip.textContent = `${this.chart.of(series.design).label}: ${panel.name} ${digits(series.y[k])}${spread} at step ${step}${where}; n ${series.n[k]} a seed`;
    this.ring.setAttribute("cx", p.x);
    this.ring.setAttribute("cy", p.y);
    this.ring.setAttribute("visibility", "visible");
    const scale = this.svg.clientWidth / this.width || 1, left = this.svg.offsetLeft ?? 10;
    const top = this.box.querySelector("h3").offsetHeight + p.y * scale;
    const room = this.box.clientWidth - this.tip.offsetWidth - 4;
    this.tip.style.left = `${Math.max(4, Math.min(room, (left || 10) + p.x * scale + 12))}px`;
    this.tip.style.top = `${p.y * scale > 110 ? top - this.tip.offsetHeight - 6 : top + 24}px`;
  }
}

class Chart {
  constructor(given, parent, chosen) {
    this.given = given;
    this.hidden = new Set();
    this.axis = given.axes[0];
    const controls = element("div", { class: "controls" }, parent);
    const axes = element("fieldset", { class: "axis-choice" }, controls);
    element("legend", {}, axes, "Horizontal axis");
    this.buttons = given.axes.map((axis) => {
      const button = element("button", { type: "button" }, axes, axis.name);
      button.addEventListener("click", () => chosen({ axis: axis.key }));
      return button;
    });
    const keys = element("fieldset", {}, controls);
    element("legend", {}, keys, "Designs");
    for (const design of given.designs) this.entry(design, keys);
    const panels = element("div", { class: given.panels.length % 2 ? "panels" : "panels even" }, parent);
    this.panels = given.panels.map((panel) => new Panel(panel, this, panels));
    new ResizeObserver(() => this.draw()).observe(panels);
  }

  of(name) {
    return this.given.designs.find((d) => d.name === name);
  }

  entry(design, parent) {
    const button = element("button", { type: "button", class: "key", "aria-pressed": "true" }, parent);
    const mark = svgElement("svg", { class: `swatch c${design.shade}`, viewBox: "-14 -7 28 14", "aria-hidden": "true" }, button);
    svgElement("path", { class: "line", d: "M-14,0H14", "stroke-dasharray": design.dash }, mark);
    svgElement("path", { class: "dot", d: design.path }, mark);
    button.append(design.label);
    button.addEventListener("click", () => {
      if (!this.hidden.delete(design.name)) this.hidden.add(design.name);
      button.setAttribute("aria-pressed", String(!this.hidden.has(design.name)));
      this.draw();
    });
  }

  /* Select an axis by key; a chart without it keeps its own. */
  show(key) {
    this.axis = this.given.axes.find((axis) => axis.key === key) || this.axis;
    this.draw();
  }

  draw() {
    this.given.axes.forEach((axis, k) => this.buttons[k].setAttribute("aria-pressed", String(axis === this.axis)));
    for (const panel of this.panels) {
      panel.read(null);
      panel.draw();
    }
  }
}
