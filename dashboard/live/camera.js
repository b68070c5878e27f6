// One camera: its picture large, its numbers, its zones side by side, its counts over time.

const OVERLAYS = { both: "heads,map", heads: "heads", map: "map", zones: "zones", plain: "" };

class CameraView {
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.settings = data.cameras.find((camera) => camera.id === data.camera);
    this.overlay = OVERLAYS.both;
    this.lost = element("p", "lost");
    this.lost.setAttribute("role", "status");
    this.charts = new ChartPanel(data, this.settings);
    root.classList.add("camera-root");
    root.append(
      this.lost,
      element(
        "div", "camera-view", this.makePicture(),
        element("div", "camera-side", this.makeNumbers(), this.charts.node),
      ),
    );
    this.unsubscribe = feed.subscribe((ids) => {
      if (ids.includes(this.settings.id) || !feed.connected) this.update();
    });
    this.timer = setInterval(() => this.tick(), 500);
    this.update();
  }

  makePicture() {
    const { text } = this.data;
    this.canvas = element("canvas", "picture-canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", this.settings.name);
    this.reason = element("p", "reason");
    this.frame = element("div", "picture", this.canvas, element("span", "no-picture"), this.reason);
    setText(this.frame.querySelector(".no-picture"), say(text, "picture.none"));
    this.slot = pictures.add(this.canvas, this.settings.id, ({ canvas }) => {
      this.panel.dataset.picture = "yes";
      this.frame.style.setProperty("--aspect", `${canvas.width} / ${canvas.height}`);
    });
    const outlined = this.settings.zones.some((zone) => zone.outlined);
    const options = Object.keys(OVERLAYS)
      .filter((key) => key !== "zones" || outlined)
      .map((key) => [key, say(text, `overlay.${key}`)]);
    const shown = choice(say(text, "overlay.label"), options, "both", (key) => {
      this.overlay = OVERLAYS[key];
      this.update();
    });
    this.stamp = element("span", "stamp");
    this.panel = element(
      "section", "panel tile camera-picture", this.frame,
      element("div", "under", shown, this.stamp),
    );
    return this.panel;
  }

  makeNumbers() {
    const { text } = this.data;
    this.chip = element("span", "chip");
    this.age = element("span", "age");
    this.count = element("span", "count", "–");
    this.interval = element("span", "interval");
    this.detail = element("p", "detail");
    this.incidents = element("ul", "incident-list");
    this.zoneRows = new Map();
    const calibrated = this.settings.zones.some((zone) => zone.calibrated);
    const head = ["zone", "level", "people", "interval", "per_m2"];
    if (calibrated) head.push("camera.densest");
    const body = element("tbody");
    for (const zone of this.settings.zones) {
      const cells = {
        chip: element("span", "mini"), count: element("td", "n"), interval: element("td", "n"),
        density: element("td", "n"), densest: element("td", "n"), hasLevels: hasLevels(zone),
      };
      const name = element("th", "", zone.name);
      name.scope = "row";
      body.append(
        element(
          "tr", "", name, element("td", "", cells.chip), cells.count, cells.interval, cells.density,
          calibrated ? cells.densest : null,
        ),
      );
      this.zoneRows.set(zone.id, cells);
    }
    const header = element("tr", "", ...head.map((key) => element("th", "", say(text, key))));
    this.numbers = element(
      "section", "panel tile camera-numbers",
      element("header", "head", this.chip, element("h2", "name", this.settings.name), this.age),
      element(
        "div", "number", this.count,
        element("span", "beside", this.interval, element("span", "unit", say(text, "people"))),
      ),
      this.detail,
      element("table", "zone-table", element("thead", "", header), body),
      element("h3", "", say(text, "camera.open_incidents")),
      this.incidents,
    );
    return this.numbers;
  }

  update() {
    const { text } = this.data;
    const value = feed.cameras.get(this.settings.id);
    if (!value) return;
    this.value = value;
    const level = shownLevel(value, value.status, this.settings.zones.some(hasLevels));
    this.panel.dataset.level = level;
    this.numbers.dataset.level = level;
    setLevel(this.chip, level, text);
    setText(this.count, people(value.count));
    setText(this.interval, interval(value.low, value.high));
    setText(this.reason, value.status === "ok" ? "" : say(text, `reason.${value.reason}`));
    setText(this.detail, value.detail);
    for (const zone of value.zones) {
      const row = this.zoneRows.get(zone.id);
      if (!row) continue;
      setLevel(row.chip, shownLevel(zone, value.status, row.hasLevels), text);
      setText(row.count, people(zone.count));
      setText(row.interval, interval(zone.low, zone.high));
      setText(row.density, perSquareMetre(zone.density));
      setText(row.densest, perSquareMetre(zone.worst_cell));
    }
    this.showWorstZone(value);
    this.showIncidents();
    pictures.want(this.slot, value.picture_seq, this.overlay);
    this.charts.append(value);
    this.tick();
  }

  /** The chart begins with the zone that is worst when the page is opened. */
  showWorstZone(value) {
    if (this.began) return;
    this.began = true;
    const rank = (zone) => LEVEL_RANK[zone.level] ?? 0;
    const worst = value.zones.reduce((one, other) => (rank(other) > rank(one) ? other : one));
    if (worst.id === this.charts.chart.zone.id) return;
    this.charts.zoneChoice?.querySelector(`[data-key="${worst.id}"]`)?.click();
  }

  showIncidents() {
    const { text } = this.data;
    const mine = feed.incidents.filter((each) => each.camera === this.settings.id).slice(0, 6);
    const key = JSON.stringify(mine);
    if (key === this.incidentsShown) return;
    this.incidentsShown = key;
    this.incidents.replaceChildren(
      ...mine.map((each) => {
        const chip = element("span", "mini");
        setLevel(chip, each.level ?? "unknown", text);
        const zone = this.settings.zones.find((other) => other.id === each.zone);
        const since = momentText(this.data, Date.parse(each.raised_at));
        const place = each.kind === "crowd" ? (zone?.name ?? "") : say(text, "camera.outage");
        const words = say(text, "camera.incident", { id: each.id, zone: place, since });
        return element("li", "", chip, element("span", "", words));
      }),
    );
    if (!mine.length) this.incidents.append(element("li", "quiet", say(text, "camera.no_incidents")));
  }

  tick() {
    const { text } = this.data;
    const now = feed.now();
    showConnection(this.root, this.lost, text);
    if (!this.value) return;
    setText(this.age, ageText(text, this.value.reading_at, now));
    const at = this.value.picture_at;
    setText(this.stamp, at === null ? "" : say(text, "camera.picture_at", {
      time: clockText(this.data, at), age: duration(text, (now - at) / 1000),
    }));
  }

  remove() {
    this.unsubscribe();
    clearInterval(this.timer);
    this.charts.remove();
    pictures.remove(this.slot);
    this.root.classList.remove("camera-root");
    this.root.replaceChildren();
  }
}
