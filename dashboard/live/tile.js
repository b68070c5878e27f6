// One camera of the wall: its picture, its count with interval, its level, trend and age.

const ZONES_SHOWN = 3;

class Tile {
  constructor(settings, data, open) {
    this.settings = settings;
    this.text = data.text;
    this.chip = element("span", "chip");
    this.name = element("h2", "name", settings.name);
    this.age = element("span", "age");
    this.count = element("span", "count", "–");
    this.interval = element("span", "interval");
    this.unit = element("span", "unit", say(data.text, "people"));
    this.density = element("span", "count density");
    this.densest = element("span", "unit");
    this.densityBox = element(
      "div", "number", this.density,
      element("span", "beside", element("span", "interval", say(data.text, "per_m2")), this.densest),
    );
    this.densityBox.hidden = !settings.zones.some((zone) => zone.calibrated);
    this.spark = new Spark(data.text);
    this.trend = element("span", "trend");
    this.zones = element("ul", "zones");
    this.canvas = element("canvas", "picture-canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", settings.name);
    this.reason = element("p", "reason");
    this.link = element("a", "picture", this.canvas, element("span", "no-picture"), this.reason);
    this.link.href = `/camera?camera=${settings.id}`;
    this.link.setAttribute("aria-label", say(data.text, "wall.open", { camera: settings.name }));
    this.link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      open(settings.id);
    });
    setText(this.link.querySelector(".no-picture"), say(data.text, "picture.none"));
    this.node = element(
      "article", "tile", this.link,
      element(
        "div", "body",
        element("header", "head", this.chip, this.name, this.age),
        element(
          "div", "figures",
          element(
            "div", "number", this.count,
            element("span", "beside", this.interval, this.unit),
          ),
          this.densityBox,
          element("div", "trend-box", this.spark.svg, this.trend),
        ),
        this.zones,
      ),
    );
    this.slot = pictures.add(this.canvas, settings.id, (slot) => {
      this.node.dataset.picture = "yes";
      if (slot.canvas.width) this.aspect = slot.canvas.width / slot.canvas.height;
    });
    this.aspect = 4 / 3;
    this.level = null;
    const names = [settings.id, settings.name, ...settings.zones.map((zone) => zone.name)];
    this.words = names.join(" ").toLowerCase();
    this.rows = this.makeRows();
  }

  /** Zone rows, for what the camera's own number does not say already. */
  makeRows() {
    const { zones } = this.settings;
    if (zones.length === 1) return [];
    const rows = zones.slice(0, ZONES_SHOWN).map((zone) => {
      const chip = element("span", "mini");
      const count = element("span", "zone-count");
      const density = element("span", "zone-density");
      this.zones.append(
        element("li", "", element("span", "zone-name", zone.name), chip, count, density),
      );
      return { zone, chip, count, density };
    });
    if (zones.length > ZONES_SHOWN) {
      const more = say(this.text, "wall.more_zones", { n: zones.length - ZONES_SHOWN });
      this.zones.append(element("li", "more", more));
    }
    return rows;
  }

  update(value) {
    const { text } = this;
    this.value = value;
    this.level = shownLevel(value, value.status, this.settings.zones.some(hasLevels));
    this.node.dataset.level = this.level;
    setLevel(this.chip, this.level, text);
    setText(this.count, people(value.count));
    setText(this.interval, interval(value.low, value.high));
    setText(this.reason, value.status === "ok" ? "" : say(text, `reason.${value.reason}`));
    this.reason.title = value.detail;
    const label = `${this.settings.name}: ${say(text, `level.${this.level}`)}`;
    if (this.canvas.getAttribute("aria-label") !== label) {
      this.canvas.setAttribute("aria-label", label);
    }
    for (const row of this.rows) {
      const zone = value.zones.find((each) => each.id === row.zone.id) || {};
      setLevel(row.chip, shownLevel(zone, value.status, hasLevels(row.zone)), text);
      setText(row.count, people(zone.count));
      setText(row.density, row.zone.calibrated ? this.shortDensity(zone.density) : "");
    }
    this.showDensity(value);
    pictures.want(this.slot, value.picture_seq);
  }

  shortDensity(value) {
    return `${perSquareMetre(value)} ${say(this.text, "per_m2_short")}`;
  }

  /** Whether the camera belongs to what the viewer looks for. */
  matches(filter) {
    if (filter.levels.size && !filter.levels.has(this.level)) return false;
    return this.words.includes(filter.find.trim().toLowerCase());
  }

  /** The densest calibrated zone: persons per square metre is the unit of crowd safety. */
  showDensity(value) {
    const known = value.zones.filter((zone) => zone.density !== null);
    const densest = known.reduce((one, other) => (other.density > one.density ? other : one), {
      density: -1,
    });
    const settings = this.settings.zones.find((zone) => zone.id === densest.id);
    setText(this.density, known.length ? perSquareMetre(densest.density) : "–");
    setText(this.densest, settings?.name ?? "");
  }

  tick(now) {
    const { value, text } = this;
    if (!value || this.node.hidden) return;
    setText(this.age, ageText(text, value.reading_at, now));
    const points = feed.recent.get(value.id) || [];
    if (this.slot.visible) this.spark.draw(points, now);
    const direction = value.status === "ok" ? trend(points, now) : null;
    setText(this.trend, direction ? say(text, `trend.${direction}`) : "");
    this.trend.dataset.trend = direction ?? "";
  }

  remove() {
    pictures.remove(this.slot);
    this.node.remove();
  }
}
