// Counts over time: the mean with its interval, the levels' thresholds, incidents, gaps as gaps.

const RANGES = { "5m": 300, "1h": 3600, "24h": 86400, "7d": 604800, "30d": 2592000, "1y": 31536000 };
const LABEL_HEIGHT = 14; // pixels
const LETTER_WIDTH = 7.5;
const MARGIN = { top: 22, right: 16, bottom: 26, left: 46 };
const TICK_STEPS_S = [
  30, 60, 300, 600, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000,
  5184000,
];

class Chart {
  constructor(data, camera, zone = camera.zones[0]) {
    this.data = data;
    this.camera = camera;
    this.zone = zone;
    this.range = "5m";
    this.end = null; // ms UTC, or null: now
    this.measure = "people";
    this.rows = [];
    this.tail = []; // readings newer than the fetched rows; emptied by each fetch
    this.incidents = [];
    this.svg = svgElement("svg", { class: "chart", role: "img" });
    this.svg.setAttribute("aria-label", say(data.text, "chart.label"));
    this.tip = element("div", "tip");
    this.message = element("p", "chart-message");
    this.node = element("div", "chart-box", this.svg, this.message, this.tip);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.node);
    this.node.addEventListener("pointermove", (event) => this.point(event));
    this.node.addEventListener("pointerleave", () => this.point(null));
    this.load();
  }

  select(change) {
    Object.assign(this, change);
    if (!this.zone.calibrated) this.measure = "people";
    this.rows = [];
    this.tail = [];
    this.loaded = false;
    this.onSelected?.();
    this.load();
  }

  /** The end of what is shown, ms UTC. */
  until() {
    return this.end ?? feed.now();
  }

  asks() {
    const to = this.until();
    const from = to - RANGES[this.range] * 1000;
    const span = `from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}`;
    return { camera: `camera=${this.camera.id}`, span };
  }

  /** Where the rows of what is shown come from. */
  address() {
    const { camera, span } = this.asks();
    const step = this.range === "5m" ? "1s" : "auto";
    return `/api/v1/history?${camera}&zone=${this.zone.id}&${span}&step=${step}`;
  }

  /** Goes back or forward by the range; at the newest end it follows the time again. */
  shift(direction) {
    const end = this.until() + direction * RANGES[this.range] * 1000;
    this.select({ end: end >= feed.now() - 1000 ? null : end });
  }

  /** Fetches rows and incidents, and comes back after a while that suits the range. */
  async load() {
    clearTimeout(this.timer);
    const asked = (this.asked = Symbol("request"));
    const seconds = RANGES[this.range];
    const { camera, span } = this.asks();
    try {
      if (!document.hidden) {
        const [rows, incidents] = await Promise.all([
          fetchJson(this.address()),
          fetchJson(`/api/v1/incidents?${camera}&${span}`),
        ]);
        if (this.asked !== asked || this.removed) return;
        this.rows = rows.map((row) => ({ ...row, at: Date.parse(row.at) }));
        const last = this.rows.length ? this.rows[this.rows.length - 1].at : 0;
        this.tail = this.tail.filter((row) => row.at > last);
        this.incidents = incidents.filter((each) => each.kind !== "worker");
        this.failed = false;
        this.loaded = true;
      }
    } catch {
      this.failed = true;
    }
    if (this.asked !== asked || this.removed) return;
    this.draw();
    this.timer = setTimeout(() => this.load(), Math.min(60, Math.max(5, seconds / 60)) * 1000);
  }

  /** A newer value from the event stream, drawn at once on the shortest range. */
  append(value) {
    const zone = value.zones.find((each) => each.id === this.zone.id);
    if (this.range !== "5m" || this.end !== null || !zone || value.reading_at === null) return;
    const last = this.tail[this.tail.length - 1] ?? this.rows[this.rows.length - 1];
    if (last && value.reading_at <= last.at) return;
    this.tail.push({
      at: value.reading_at, count_mean: zone.count, count_max: zone.count, low: zone.low,
      high: zone.high, density_max: zone.density,
    });
    if (this.tail.length > 120) this.tail.shift();
    this.draw();
  }

  /** What the chosen measure takes from a row: [value, low, high]. */
  values(row) {
    if (this.measure === "density") return [row.density_max ?? null, null, null];
    return [row.count_mean ?? null, row.low ?? null, row.high ?? null];
  }

  /** The levels in the chosen measure; densities become people by the zone's area. */
  thresholds() {
    const { thresholds = {}, unit, area, measure } = this.zone;
    let factor = 1;
    if (unit === "persons/m2" && this.measure === "people") {
      if (measure !== "mean" || !area) return [];
      factor = area;
    }
    if (unit === "persons" && this.measure === "density") {
      if (!area) return [];
      factor = 1 / area;
    }
    return Object.entries(thresholds).map(([level, value]) => [level, value * factor]);
  }

  draw() {
    const { width, height } = this.node.getBoundingClientRect();
    if (width < 80 || height < 80 || this.removed) return;
    const now = this.until();
    const from = now - RANGES[this.range] * 1000;
    const points = [...this.rows, ...this.tail].filter((row) => row.at >= from && row.at <= now);
    const seen = points.flatMap((row) => this.values(row).filter((value) => value !== null));
    const highest = Math.max(this.measure === "density" ? 1 : 5, ...seen);
    // The lowest threshold shows how much room there is; those far above would flatten the line.
    const near = this.thresholds().map(([, value]) => value).filter(
      (value, place) => !seen.length || value <= highest * (place === 0 ? 5 : 2.5),
    );
    const top = niceTop(Math.max(highest, ...near) * 1.05);
    this.scale = {
      from, now, top, width, height,
      x: (at) => MARGIN.left + ((at - from) / (now - from)) * (width - MARGIN.left - MARGIN.right),
      y: (value) => height - MARGIN.bottom - (value / top) * (height - MARGIN.top - MARGIN.bottom),
    };
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren(
      this.grid(), this.incidentBands(), this.gaps(points), this.band(points),
      this.levelLines(), this.line(points), (this.cursor = svgElement("g")),
    );
    this.points = points;
    const empty = !this.failed && this.loaded && !seen.length;
    setText(this.message, this.failed ? say(this.data.text, "chart.failed") : empty ? say(this.data.text, "chart.empty") : "");
    if (this.pointer) this.point(this.pointer);
  }

  grid() {
    const { from, now, top, width, height, x, y } = this.scale;
    const group = svgElement("g", { class: "axis" });
    for (let i = 0; i <= 4; i += 1) {
      const value = (top / 4) * i;
      group.append(
        svgElement("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
        label(MARGIN.left - 8, y(value) + 4, "end", trimmed(value)),
      );
    }
    const room = Math.max(2, Math.floor(width / 110));
    const step = stepFor(now - from, room);
    const shift = zoneOffset(this.data.timezone, now);
    for (let at = Math.ceil((from + shift) / step) * step - shift; at < now; at += step) {
      if (x(at) > width - 30) continue;
      group.append(label(x(at), height - 6, "middle", tickText(this.data, at, step)));
    }
    return group;
  }

  band(points) {
    const { x, y } = this.scale;
    const shapes = runs(points, (row) => this.values(row)[1]).map((run) => {
      const upper = run.map((row) => `${x(row.at).toFixed(1)} ${y(this.values(row)[2]).toFixed(1)}`);
      const lower = run.map((row) => `${x(row.at).toFixed(1)} ${y(this.values(row)[1]).toFixed(1)}`);
      return `M${upper.join("L")}L${lower.reverse().join("L")}Z`;
    });
    return svgElement("path", { class: "chart-band", d: shapes.join("") });
  }

  line(points) {
    const { x, y } = this.scale;
    const paths = runs(points, (row) => this.values(row)[0]).map((run) => {
      const steps = run.map((row) => `${x(row.at).toFixed(1)} ${y(this.values(row)[0]).toFixed(1)}`);
      return steps.length > 1 ? `M${steps.join("L")}` : `M${steps[0]}h1`;
    });
    return svgElement("path", { class: "chart-line", d: paths.join("") });
  }

  /** Stretches without a value, plainly marked: nothing is known there. */
  gaps(points) {
    const { height, x } = this.scale;
    const group = svgElement("g", { class: "chart-gaps" });
    const known = runs(points, (row) => this.values(row)[0]);
    for (let i = 1; i < known.length; i += 1) {
      const left = x(known[i - 1][known[i - 1].length - 1].at);
      const right = x(known[i][0].at);
      if (right - left < 3) continue;
      group.append(
        svgElement("rect", {
          x: left, width: right - left, y: MARGIN.top, height: height - MARGIN.top - MARGIN.bottom,
        }),
      );
      if (right - left > 70) {
        group.append(label((left + right) / 2, MARGIN.top + 16, "middle", say(this.data.text, "chart.gap")));
      }
    }
    return group;
  }

  levelLines() {
    const { top, width, y } = this.scale;
    const group = svgElement("g", { class: "chart-levels" });
    let last = { y: Infinity, end: 0 };
    for (const [level, value] of this.thresholds()) {
      if (value > top) continue;
      const mark = svgElement("g", { "data-level": level });
      const name = `${say(this.data.text, `level.${level}`)} ${trimmed(value)}`;
      // Names of lines that lie close stand side by side, not over each other.
      const left = last.y - y(value) < LABEL_HEIGHT ? last.end : MARGIN.left + 6;
      last = { y: y(value), end: left + name.length * LETTER_WIDTH + 10 };
      mark.append(
        svgElement("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
        label(left, y(value) - 5, "start", name),
      );
      group.append(mark);
    }
    return group;
  }

  incidentBands() {
    const { from, now, height, x } = this.scale;
    const group = svgElement("g", { class: "chart-incidents" });
    for (const incident of this.incidents) {
      if (incident.zone && incident.zone !== this.zone.id) continue;
      const start = Math.max(from, Date.parse(incident.raised_at));
      const end = incident.cleared_at ? Date.parse(incident.cleared_at) : now;
      if (end < from || start > now) continue;
      const mark = svgElement("g", { "data-level": incident.peak_level ?? "unknown" });
      const wide = Math.max(2, x(end) - x(start));
      mark.append(
        svgElement("rect", {
          x: x(start), width: wide, y: MARGIN.top, height: height - MARGIN.top - MARGIN.bottom,
        }),
        svgElement("rect", { class: "cap", x: x(start), width: wide, y: MARGIN.top - 6, height: 5, rx: 2 }),
      );
      if (wide > 60) mark.append(label(x(start) + 2, MARGIN.top - 9, "start", `#${incident.id}`));
      group.append(mark);
    }
    return group;
  }

  /** The value under the pointer. */
  point(event) {
    this.pointer = event;
    this.tip.hidden = true;
    if (!event || !this.scale || !this.points.length) return this.cursor?.replaceChildren();
    const { x, y, height } = this.scale;
    const at = event.clientX - this.node.getBoundingClientRect().left;
    const nearest = this.points.reduce((one, other) =>
      Math.abs(x(other.at) - at) < Math.abs(x(one.at) - at) ? other : one,
    );
    const [value, low, high] = this.values(nearest);
    const place = x(nearest.at);
    this.cursor.replaceChildren(
      svgElement("line", { class: "cursor", x1: place, x2: place, y1: MARGIN.top, y2: height - MARGIN.bottom }),
      ...(value === null ? [] : [svgElement("circle", { class: "cursor-dot", cx: place, cy: y(value), r: 4 })]),
    );
    const number = this.measure === "density" ? perSquareMetre(value) : people(value);
    const unit = say(this.data.text, this.measure === "density" ? "per_m2" : "people");
    const shown = value === null ? say(this.data.text, "chart.gap") : `${number} ${unit}`;
    this.tip.replaceChildren(
      element("b", "", shown),
      element("span", "", low === null ? "" : interval(low, high)),
      element("span", "", momentText(this.data, nearest.at)),
    );
    this.tip.hidden = false;
    const flip = place > this.scale.width - 170;
    this.tip.style.transform = `translate(${flip ? place - 160 : place + 12}px, ${MARGIN.top + 4}px)`;
    return undefined;
  }

  remove() {
    this.removed = true;
    clearTimeout(this.timer);
    this.observer.disconnect();
  }
}

/** Milliseconds between ticks so that at most `room` of them stand on the span. */
function stepFor(spanMs, room) {
  return 1000 * (TICK_STEPS_S.find((s) => spanMs / 1000 / s <= room) ?? 5184000);
}

async function fetchJson(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer.json();
}

function label(x, y, anchor, words) {
  const node = svgElement("text", { x, y, "text-anchor": anchor });
  node.textContent = words;
  return node;
}

function trimmed(value) {
  return String(Number(value.toFixed(value < 10 ? 1 : 0)));
}

/** The smallest of 4, 8, 12, 20, 40 ... times a power of ten that holds `value`. */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const steps = [1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10];
  return power * steps.find((step) => step * power >= value - 1e-9);
}
