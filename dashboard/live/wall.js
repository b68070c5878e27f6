// The wall: every camera as a tile, the worst first, sized so that they fill the window.

const GAP = 14;
const NARROW = 720; // below this width the wall is one column that scrolls
const TALLIED = ["critical", "warning", "watch", "unknown", "normal"];
const MONITOR_GAP = 8;

class Wall {
  constructor(root, data, act) {
    this.root = root;
    this.data = data;
    this.filter = readFilter();
    this.makeSummary();
    this.makeControls();
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
      element("div", "bar", element("h1", "site", data.site), this.summary, this.controls, this.clock),
      this.lost, this.nothing, this.grid, this.news,
    );
    this.unsubscribe = feed.subscribe((ids) => this.update(ids));
    this.timer = setInterval(() => this.tick(), 500);
    this.resized = () => this.layout();
    window.addEventListener("resize", this.resized);
    this.leftFullScreen = () => document.fullscreenElement || this.setMonitor(false);
    document.addEventListener("fullscreenchange", this.leftFullScreen);
    this.setMonitor(this.filter.monitor);
    this.update([...feed.cameras.keys()]);
    requestAnimationFrame(this.resized);
  }

  /** The whole site in one line; a level is pressed to see only its cameras. */
  makeSummary() {
    const { text } = this.data;
    this.total = element("span", "");
    this.tally = {};
    for (const level of TALLIED) {
      const words = element("span", "mini");
      setLevel(words, level, text);
      const button = newButton(words, "tally", () => {
        if (!this.filter.levels.delete(level)) this.filter.levels.add(level);
        this.filtered();
      });
      button.title = say(text, "wall.show_only");
      this.tally[level] = { button, words };
    }
    const buttons = Object.values(this.tally).map(({ button }) => button);
    this.summary = element("div", "summary", this.total, ...buttons);
  }

  makeControls() {
    const { text } = this.data;
    this.search = element("input", "search");
    this.search.type = "search";
    this.search.value = this.filter.find;
    this.search.placeholder = say(text, "wall.search");
    this.search.setAttribute("aria-label", say(text, "wall.search"));
    this.search.hidden = this.data.cameras.length < 2;
    this.search.addEventListener("input", () => {
      this.filter.find = this.search.value;
      this.filtered();
    });
    this.full = newButton("", "plain-button", () => this.toggleMonitor());
    this.controls = element("div", "controls", this.search, this.full);
    const all = newButton(say(text, "wall.show_all"), "plain-button", () => {
      this.search.value = this.filter.find = "";
      this.filter.levels.clear();
      this.filtered();
    });
    this.shown = element("span", "");
    this.nothing = element("p", "filtered", this.shown, all);
    this.nothing.setAttribute("role", "status");
  }

  /** For a monitor on the wall: nothing but the cameras, all of them on the screen. */
  toggleMonitor() {
    const on = !this.filter.monitor;
    this.setMonitor(on);
    if (on) document.documentElement.requestFullscreen?.().catch(() => {});
    else if (document.fullscreenElement) document.exitFullscreen();
  }

  setMonitor(on) {
    this.filter.monitor = on;
    document.documentElement.toggleAttribute("data-headcount-monitor", on);
    setText(this.full, say(this.data.text, on ? "wall.leave_monitor" : "wall.monitor"));
    writeFilter(this.filter);
    this.layout();
  }

  filtered() {
    writeFilter(this.filter);
    this.sort();
    this.summarise();
    this.layout();
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
      tile.node.hidden = !tile.matches(this.filter);
      if (this.grid.children[place] !== tile.node) {
        this.grid.insertBefore(tile.node, this.grid.children[place] ?? null);
      }
    });
  }

  visible() {
    return [...this.tiles.values()].filter((tile) => !tile.node.hidden);
  }

  /** The whole site in one line: people, then how many cameras are at which level. */
  summarise() {
    const { text } = this.data;
    const values = [...feed.cameras.values()].filter((value) => this.tiles.has(value.id));
    const known = values.filter((value) => value.count !== null);
    const total = known.reduce((sum, value) => sum + value.count, 0);
    const words = { n: people(total), cameras: known.length, all: this.tiles.size };
    this.total.hidden = !known.length;
    setText(this.total, known.length ? say(text, "wall.total", words) : "");
    for (const [level, { button, words: chip }] of Object.entries(this.tally)) {
      const n = [...this.tiles.values()].filter((tile) => tile.level === level).length;
      const pressed = this.filter.levels.has(level);
      button.hidden = n === 0 && !pressed;
      button.setAttribute("aria-pressed", String(pressed));
      setText(chip, say(text, `wall.${level}`, { n }));
    }
    const shown = this.visible().length;
    this.nothing.hidden = !this.tiles.size || shown === this.tiles.size;
    const counts = { shown, all: this.tiles.size };
    setText(this.shown, say(text, shown ? "wall.filtered" : "wall.nothing", counts));
  }

  tick() {
    const now = feed.now();
    for (const tile of this.tiles.values()) tile.tick(now);
    setText(this.clock, clockText(this.data, now));
    showConnection(this.root, this.lost, this.data.text);
    this.fit();
  }

  /** Lays the tiles out again when a picture's shape became known, or what is above them changed. */
  fit() {
    const tiles = this.visible();
    const aspects = tiles.map((tile) => tile.aspect.toFixed(2));
    const top = Math.round(this.grid.getBoundingClientRect().top + window.scrollY);
    const shapes = `${aspects.join()} ${top}`;
    if (shapes !== this.shapes) {
      this.shapes = shapes;
      this.layout();
    }
  }

  layout() {
    const box = this.grid.getBoundingClientRect();
    const tiles = this.visible();
    if (!box.width || !tiles.length) return;
    const { monitor } = this.filter;
    const narrow = box.width < NARROW && !monitor;
    this.root.dataset.narrow = narrow ? "yes" : "no";
    if (narrow) {
      this.grid.style.cssText = "";
      this.grid.dataset.way = "below";
      for (const tile of tiles) tile.link.style.aspectRatio = String(tile.aspect);
      return;
    }
    const gap = monitor ? MONITOR_GAP : GAP;
    const top = box.top + document.scrollingElement.scrollTop;
    const height = Math.max(monitor ? 120 : 360, window.innerHeight - top - gap);
    const aspect = Math.min(...tiles.map((tile) => tile.aspect));
    const zoneRows = Math.max(...tiles.map((tile) => tile.zones.children.length));
    const best = bestGrid({ count: tiles.length, width: box.width, height, aspect, zoneRows, gap, monitor });
    this.grid.style.gap = `${gap}px`;
    this.grid.style.gridTemplateColumns = `repeat(${best.columns}, minmax(0, 1fr))`;
    this.grid.style.gridAutoRows = `${best.height}px`;
    this.grid.dataset.way = best.way;
    for (const tile of tiles) tile.link.style.aspectRatio = "";
  }

  remove() {
    this.unsubscribe();
    clearInterval(this.timer);
    window.removeEventListener("resize", this.resized);
    document.removeEventListener("fullscreenchange", this.leftFullScreen);
    document.documentElement.removeAttribute("data-headcount-monitor");
    for (const tile of this.tiles.values()) tile.remove();
    this.root.replaceChildren();
  }
}

/** What is looked for stands in the page's address, so that a monitor can be started with it. */
function readFilter() {
  const query = new URLSearchParams(location.search);
  const levels = (query.get("level") ?? "").split(",").filter((level) => TALLIED.includes(level));
  return { find: query.get("find") ?? "", levels: new Set(levels), monitor: query.has("monitor") };
}

function writeFilter({ find, levels, monitor }) {
  const query = new URLSearchParams();
  if (find) query.set("find", find);
  if (levels.size) query.set("level", [...levels].join());
  if (monitor) query.set("monitor", "1");
  const search = query.size ? `?${query}` : "";
  if (search !== location.search) history.replaceState(history.state, "", location.pathname + search);
}

const BODY_HEIGHT = 128; // of a tile's numbers below its picture
const BODY_WIDTH = 340; // of its numbers beside it
const LEAST_PICTURE = 280; // pixels wide, before the numbers rather stand on it

/**
 * The grid in which pictures are largest: numbers below the picture or beside it, and over it where
 * there are so many cameras that the picture would have no room. A monitor never scrolls.
 */
function bestGrid({ count, width, height, aspect, zoneRows, gap, monitor }) {
  let best = null;
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const tileWidth = (width - gap * (columns - 1)) / columns;
    const tileHeight = (height - gap * (rows - 1)) / rows;
    const ways = [
      { way: "below", w: tileWidth, h: tileHeight - BODY_HEIGHT - 26 * zoneRows },
      { way: "side", w: tileWidth - BODY_WIDTH, h: tileHeight },
    ];
    for (const { way, w, h } of ways) {
      const pictureWidth = Math.min(w, h * aspect);
      if (pictureWidth < LEAST_PICTURE || tileWidth < 300) continue;
      const area = (pictureWidth * pictureWidth) / aspect;
      if (!best || area > best.area * 1.02) best = { columns, height: tileHeight, way, area };
    }
  }
  return best ?? crowdedGrid({ count, width, height, aspect, gap, monitor });
}

const LEAST_TILE = 280; // pixels wide, before a page rather scrolls

/** Numbers over the picture: all on the screen, or on a page that scrolls where they got too small. */
function crowdedGrid({ count, width, height, aspect, gap, monitor }) {
  let best = { size: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const tileWidth = (width - gap * (columns - 1)) / columns;
    const tileHeight = (height - gap * (rows - 1)) / rows;
    const size = Math.min(tileWidth, tileHeight * aspect);
    if (size > best.size) best = { columns, height: tileHeight, way: "over", size };
  }
  if (monitor || best.size >= LEAST_TILE) return best;
  const columns = Math.max(1, Math.floor((width + gap) / (LEAST_TILE + gap)));
  const tileWidth = (width - gap * (columns - 1)) / columns;
  return { columns, height: Math.round(tileWidth / aspect), way: "over" };
}
