// The chart of a camera with what chooses its zone, measure and range; or all zones side by side.

const ALL_ZONES = "all zones";

class ChartPanel {
  constructor(data, settings) {
    this.data = data;
    this.settings = settings;
    this.chart = new Chart(data, settings);
    this.chart.onSelected = () => this.selected();
    this.others = []; // one per zone while they stand side by side
    this.box = element("div", "charts", this.chart.node);
    this.node = element("section", "panel camera-chart", this.makeControls(), this.box);
    this.selected();
  }

  makeControls() {
    const { text } = this.data;
    const { settings } = this;
    const title = element("h3", "", say(text, "chart.title"));
    const head = element("div", "chart-head", title, this.makeSave());
    const controls = element("div", "chart-controls", head);
    if (settings.zones.length > 1) {
      const zones = settings.zones.map((zone) => [zone.id, zone.name]);
      zones.push([ALL_ZONES, say(text, "chart.side_by_side")]);
      this.zoneChoice = choice(say(text, "zone"), zones, this.chart.zone.id, (id) => this.choose(id));
      controls.append(this.zoneChoice);
    }
    if (settings.zones.some((zone) => zone.calibrated)) {
      const measures = [["people", say(text, "people")], ["density", say(text, "per_m2")]];
      controls.append(
        choice(say(text, "chart.measure"), measures, "people", (measure) => this.select({ measure })),
      );
    }
    const ranges = Object.keys(RANGES).map((key) => [key, say(text, `range.${key}`)]);
    controls.append(
      choice(say(text, "chart.range"), ranges, this.chart.range, (range) => this.select({ range, end: null })),
      this.makeSteps(),
    );
    return controls;
  }

  /** Earlier and later. */
  makeSteps() {
    const { text } = this.data;
    const earlier = newButton("‹", "plain-button", () => this.shift(-1));
    this.later = newButton("›", "plain-button", () => this.shift(1));
    earlier.setAttribute("aria-label", say(text, "chart.earlier"));
    this.later.setAttribute("aria-label", say(text, "chart.later"));
    return element("div", "steps", earlier, this.later);
  }

  /** The values as a file. */
  makeSave() {
    this.save = element("a", "plain-button", say(this.data.text, "chart.export"));
    this.save.download = "";
    this.save.addEventListener("click", () => {
      this.save.href = `${this.chart.address()}&format=csv`; // of this moment
    });
    return this.save;
  }

  choose(id) {
    for (const chart of this.others) chart.remove();
    this.others = [];
    const zone = this.settings.zones.find((each) => each.id === id);
    if (zone) {
      this.box.replaceChildren(this.chart.node);
      this.chart.select({ zone });
      return;
    }
    const { range, measure, end } = this.chart;
    this.box.replaceChildren(...this.settings.zones.map((each) => {
      const chart = new Chart(this.data, this.settings, each);
      this.others.push(chart);
      chart.select({ range, measure, end });
      return element("figure", "zone-chart", element("figcaption", "", each.name), chart.node);
    }));
  }

  select(change) {
    this.chart.select(change);
    for (const chart of this.others) chart.select(change);
  }

  shift(direction) {
    this.chart.shift(direction);
    for (const chart of this.others) chart.select({ end: this.chart.end });
  }

  selected() {
    this.later.disabled = this.chart.end === null;
    const query = `${this.chart.address()}&format=csv`;
    this.save.href = query;
  }

  append(value) {
    this.chart.append(value);
    for (const chart of this.others) chart.append(value);
  }

  remove() {
    this.chart.remove();
    for (const chart of this.others) chart.remove();
  }
}
