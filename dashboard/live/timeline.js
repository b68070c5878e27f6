// When there were incidents, a row for each camera; a mark is pressed to see its incident.

const ROW_PX = 26;
const NAME_PX = 130;

class Timeline {
  constructor(data, onChosen) {
    this.data = data;
    this.onChosen = onChosen;
    this.svg = svgElement("svg", { class: "timeline" });
    this.node = element("div", "timeline-box", this.svg);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.node);
    this.incidents = [];
  }

  show(incidents, from, to, nameOf) {
    Object.assign(this, { incidents, from, to, nameOf });
    this.draw();
  }

  draw() {
    const width = this.node.clientWidth;
    const rows = [...new Set(this.incidents.map((each) => each.camera ?? ""))];
    this.node.hidden = !rows.length;
    if (!width || !rows.length) return;
    const narrow = width < 600;
    const left = narrow ? 84 : NAME_PX;
    const height = rows.length * ROW_PX + 24;
    const x = (at) => left + ((at - this.from) / (this.to - this.from)) * (width - left - 8);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.style.height = `${height}px`;
    this.svg.replaceChildren(this.axis(x, width, height));
    rows.forEach((camera, place) => {
      const y = place * ROW_PX;
      const name = this.nameOf(camera);
      const most = narrow ? 9 : 16;
      const words = label(0, y + 17, "start", name.length > most ? `${name.slice(0, most - 1)}…` : name);
      this.svg.append(words, svgElement("line", { x1: left, x2: width - 8, y1: y + 13, y2: y + 13 }));
      const mine = this.incidents.filter((each) => (each.camera ?? "") === camera);
      for (const incident of mine) this.svg.append(this.mark(incident, x, y));
    });
  }

  axis(x, width, height) {
    const group = svgElement("g", { class: "axis" });
    const room = Math.max(2, Math.floor(width / 130));
    const step = stepFor(this.to - this.from, room);
    const shift = zoneOffset(this.data.timezone, this.to);
    for (let at = Math.ceil((this.from + shift) / step) * step - shift; at < this.to; at += step) {
      if (x(at) < width - 24) group.append(label(x(at), height - 5, "middle", tickText(this.data, at, step)));
    }
    return group;
  }

  mark(incident, x, y) {
    const start = Math.max(this.from, Date.parse(incident.raised_at));
    const end = incident.cleared_at ? Date.parse(incident.cleared_at) : this.to;
    const words = `#${incident.id} ${say(this.data.text, `level.${levelOf(incident)}`)}`;
    const link = svgElement("a", { href: `#incident-${incident.id}`, "aria-label": words });
    link.addEventListener("click", (event) => {
      event.preventDefault();
      this.onChosen(incident.id);
    });
    const title = svgElement("title");
    title.textContent = `${words}, ${momentText(this.data, Date.parse(incident.raised_at))}`;
    const bar = svgElement("rect", {
      x: x(start), y: y + 4, width: Math.max(5, x(end) - x(start)), height: 18, rx: 3,
      "data-level": levelOf(incident), "data-open": incident.cleared_at ? "no" : "yes",
    });
    link.append(title, bar);
    return link;
  }

  remove() {
    this.observer.disconnect();
  }
}

/** The highest level of an incident; outages have none. */
function levelOf(incident) {
  return LEVEL_RANK[incident.peak_level] === undefined ? "unknown" : incident.peak_level;
}
