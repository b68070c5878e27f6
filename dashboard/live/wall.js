// The wall: every camera as a tile, the worst first, sized so that they fill the window.

const GAP = 14;
const NARROW = 720; // below this width the wall is one column that scrolls
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
      setText(row.density, row.zone.calibrated ? `${perSquareMetre(zone.density)} /m²` : "");
    }
    this.showDensity(value);
    pictures.want(this.slot, value.picture_seq);
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
    if (!value) return;
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

class Wall {
  constructor(root, data, act) {
    this.root = root;
    this.data = data;
    this.total = element("span", "");
    this.tally = {};
    for (const level of ["critical", "warning", "watch", "unknown"]) {
      this.tally[level] = element("span", "mini");
      setLevel(this.tally[level], level, data.text);
    }
    this.summary = element("p", "summary", this.total, ...Object.values(this.tally));
    this.clock = element("time", "clock");
    this.lost = element("p", "lost");
    this.lost.setAttribute("role", "status");
    this.news = element("p", "hidden");
    this.news.setAttribute("aria-live", "polite");
    this.grid = element("div", "grid");
    this.tiles = new Map();
    for (const settings of data.cameras) {
      const tile = new Tile(settings, data, (id) => act("open", id));
      this.tiles.set(settings.id, tile);
      this.grid.append(tile.node);
    }
    root.append(
      element("div", "bar", element("h1", "site", data.site), this.summary, this.clock),
      this.lost, this.grid, this.news,
    );
    this.unsubscribe = feed.subscribe((ids) => this.update(ids));
    this.timer = setInterval(() => this.tick(), 500);
    this.resized = () => this.layout();
    window.addEventListener("resize", this.resized);
    this.update([...feed.cameras.keys()]);
    requestAnimationFrame(this.resized);
  }

  update(ids) {
    for (const id of ids) {
      const tile = this.tiles.get(id);
      if (!tile) continue;
      const before = tile.level;
      tile.update(feed.cameras.get(id));
      if (before && before !== tile.level) {
        setText(this.news, `${tile.settings.name}: ${say(this.data.text, `level.${tile.level}`)}`);
      }
    }
    this.sort();
    this.summarise();
    this.tick();
  }

  /** Worst first. Cameras of one level keep the site's order, so that tiles do not jump. */
  sort() {
    const order = [...this.tiles.values()].sort(
      (one, other) => (LEVEL_RANK[other.level] ?? 0) - (LEVEL_RANK[one.level] ?? 0),
    );
    order.forEach((tile, place) => {
      if (this.grid.children[place] !== tile.node) {
        this.grid.insertBefore(tile.node, this.grid.children[place] ?? null);
      }
    });
  }

  /** The whole site in one line: people, then how many cameras are at which level. */
  summarise() {
    const { text } = this.data;
    const values = [...feed.cameras.values()].filter((value) => this.tiles.has(value.id));
    const known = values.filter((value) => value.count !== null);
    const total = known.reduce((sum, value) => sum + value.count, 0);
    const words = { n: Math.round(total), cameras: known.length, all: this.tiles.size };
    this.total.hidden = !known.length;
    setText(this.total, known.length ? say(text, "wall.total", words) : "");
    for (const [level, chip] of Object.entries(this.tally)) {
      const n = [...this.tiles.values()].filter((tile) => tile.level === level).length;
      chip.hidden = n === 0;
      setText(chip, say(text, `wall.${level}`, { n }));
    }
  }

  tick() {
    const now = feed.now();
    for (const tile of this.tiles.values()) tile.tick(now);
    setText(this.clock, clockText(this.data, now));
    showConnection(this.root, this.lost, this.data.text);
    this.fit();
  }

  /** Lays the tiles out again when a picture's shape became known, or the banner came or went. */
  fit() {
    const aspects = [...this.tiles.values()].map((tile) => tile.aspect.toFixed(2));
    const shapes = `${aspects.join()} ${this.lost.offsetHeight}`;
    if (shapes !== this.shapes) {
      this.shapes = shapes;
      this.layout();
    }
  }

  layout() {
    const box = this.grid.getBoundingClientRect();
    const tiles = [...this.tiles.values()];
    if (!box.width || !tiles.length) return;
    const narrow = box.width < NARROW;
    this.root.dataset.narrow = narrow ? "yes" : "no";
    if (narrow) {
      this.grid.style.cssText = "";
      for (const tile of tiles) tile.link.style.aspectRatio = String(tile.aspect);
      return;
    }
    const height = Math.max(360, window.innerHeight - box.top - GAP);
    const aspect = Math.min(...tiles.map((tile) => tile.aspect));
    const zoneRows = Math.max(...tiles.map((tile) => tile.zones.children.length));
    const best = bestGrid(tiles.length, box.width, height, aspect, zoneRows);
    this.grid.style.gridTemplateColumns = `repeat(${best.columns}, minmax(0, 1fr))`;
    this.grid.style.gridAutoRows = `${best.height}px`;
    this.grid.dataset.side = best.side ? "yes" : "no";
    for (const tile of tiles) tile.link.style.aspectRatio = "";
  }

  remove() {
    this.unsubscribe();
    clearInterval(this.timer);
    window.removeEventListener("resize", this.resized);
    for (const tile of this.tiles.values()) tile.remove();
    this.root.replaceChildren();
  }
}

/** The grid in which pictures are largest: numbers below the picture, or beside it. */
function bestGrid(count, width, height, aspect, zoneRows) {
  let best = null;
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const tileWidth = (width - GAP * (columns - 1)) / columns;
    const tileHeight = Math.max(260, (height - GAP * (rows - 1)) / rows);
    const body = 128 + 26 * zoneRows;
    const ways = [
      { side: false, w: tileWidth, h: tileHeight - body },
      { side: true, w: tileWidth - 340, h: tileHeight },
    ];
    for (const { side, w, h } of ways) {
      if (w < 200 || h < 120) continue;
      const pictureWidth = Math.min(w, h * aspect);
      const area = (pictureWidth * pictureWidth) / aspect;
      if (!best || area > best.area * 1.02) {
        best = { columns, height: tileHeight, side, area };
      }
    }
  }
  return best ?? { columns: Math.ceil(Math.sqrt(count)), height: 300, side: false };
}
