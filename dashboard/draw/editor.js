// The zones of one camera under edit. The server is asked at each change what it makes of them; it
// alone knows what a site file may hold, and what a calibration comes to.

const ASK_AFTER_MS = 250;
const ASK_AGAIN_MS = 1000; // while the server is still going through the past

class Editor {
  constructor(root, data, call) {
    this.root = root;
    this.data = data;
    this.call = call;
    this.zones = structuredClone(data.zones);
    this.selected = 0;
    this.placing = null;
    this.check = null;
    this.asked = 0;
    this.aspect = data.aspect;
    this.dirty = false;
    this.stage = new Stage(this);
    this.form = new ZoneForm(this);
    this.build();
  }

  say(key, values) {
    return say(this.data.text, key, values);
  }

  get zone() {
    return this.zones[this.selected];
  }

  build() {
    const w = (key) => this.say(`setup.draw.${key}`);
    this.hint = element("p", "hint");
    this.hint.setAttribute("role", "status");
    this.done = newButton(w("done"), "", () => this.finish());
    this.stop = newButton(w("cancel"), "", () => this.stopPlacing());
    this.fresh = newButton(w("new_picture"), "", () => this.stage.load(this.data.picture));
    this.list = element("ul", "zone-list");
    this.add = newButton(w("add_zone"), "", () => this.startPlacing("zone", null));
    this.problems = element("ul", "setup-problems");
    this.save = newButton(w("save"), "primary", () => this.sendSave());
    this.discard = newButton(w("discard"), "", () => this.reset());
    this.saved = element("p", "told");
    this.saved.setAttribute("role", "status");
    const left = element(
      "div", "left",
      this.stage.node,
      element("div", "row", this.hint, this.done, this.stop, this.fresh),
    );
    const right = element(
      "div", "right",
      element("div", "row", element("h3", "grow", w("zones")), this.add),
      this.list, this.form.node, this.problems,
      element("div", "row foot", this.save, this.discard, this.saved),
    );
    this.root.append(element("div", "setup", left, right));
    this.stage.load(this.data.picture);
    setText(this.stage.note, this.data.picture_note);
    this.form.build();
    this.update();
    this.ask();
  }

  remove() {
    clearTimeout(this.timer);
    this.stage.remove();
    this.root.replaceChildren();
  }

  hasPicture(aspect) {
    this.aspect = this.data.aspect ?? aspect;
    this.stage.render();
    this.ask();
  }

  /** New data from the server: what it found, and what came of saving. */
  receive(data) {
    const another = data.version !== this.data.version;
    this.data = data;
    if (data.check && data.check.n === this.asked) {
      this.check = data.check;
      if (data.check.replay?.pending) this.ask(ASK_AGAIN_MS);
    }
    if (another) {
      this.zones = structuredClone(data.zones);
      this.selected = Math.min(this.selected, Math.max(0, this.zones.length - 1));
      this.dirty = false;
      this.form.build();
    }
    this.form.tell();
    this.update();
  }

  // Changes

  changed() {
    this.dirty = true;
    this.update();
    this.ask();
  }

  select(index) {
    if (index === this.selected) return;
    this.selected = index;
    this.placing = null;
    this.form.build();
    this.update();
    this.ask();
  }

  reset() {
    this.zones = structuredClone(this.data.zones);
    this.selected = 0;
    this.placing = null;
    this.dirty = false;
    this.form.build();
    this.update();
    this.ask();
  }

  startPlacing(kind, zone) {
    this.placing = { kind, zone, points: [] };
    this.update();
    this.stage.svg.focus({ preventScroll: true });
    this.stage.node.scrollIntoView({ block: "nearest" });
  }

  stopPlacing() {
    this.placing = null;
    this.stage.pointer = null;
    this.update();
  }

  addPoint(place) {
    this.placing.points.push(place);
    if (this.placing.kind === "ground" && this.placing.points.length === 4) this.finish();
    else this.update();
  }

  undoPoint() {
    this.placing.points.pop();
    this.update();
  }

  finish() {
    const { kind, zone, points } = this.placing;
    if (points.length < (kind === "ground" ? 4 : MINIMUM_CORNERS)) return;
    this.stopPlacing();
    if (kind === "ground") {
      const before = zone.ground;
      zone.ground = {
        picture: points,
        metres: before?.metres ?? [[0, 0], [4, 0], [4, 4], [0, 4]],
        head_height: before?.head_height ?? 1.6,
        camera_height: before?.camera_height ?? null,
      };
      zone.levels ??= { ...DENSITY_LEVELS };
    } else if (zone) {
      zone.polygon = points;
    } else {
      this.addZone(points);
    }
    this.form.build();
    this.changed();
  }

  addZone(polygon) {
    const id = idFor("", this.zones.map((each) => each.id), "zone");
    this.zones.push({ id, name: null, polygon, ground: null, levels: null, isNew: true });
    this.selected = this.zones.length - 1;
  }

  removeZone() {
    this.zones.splice(this.selected, 1);
    this.selected = Math.max(0, this.selected - 1);
    this.form.build();
    this.changed();
  }

  insertCorner(index, place) {
    const { polygon } = this.zone;
    const between = middle(polygon[index], polygon[(index + 1) % polygon.length]);
    polygon.splice(index + 1, 0, place ?? between);
    this.changed();
  }

  moveThing(key, dx, dy) {
    const [kind, number] = key.split(" ");
    const index = Number(number);
    if (kind === "zone") {
      const zone = this.zones[index];
      if (zone.polygon) zone.polygon = shifted(zone.polygon, dx, dy);
    } else {
      const points = kind === "ground" ? this.zone.ground.picture : this.zone.polygon;
      const [x, y] = points[index];
      points[index] = point(x + dx, y + dy);
    }
    this.changed();
  }

  removeThing(key) {
    const [kind, index] = key.split(" ");
    if (kind === "corner" && this.zone.polygon.length > MINIMUM_CORNERS) {
      this.zone.polygon.splice(Number(index), 1);
      this.form.build();
      this.changed();
    }
  }

  // The server

  plain() {
    return this.zones.map(({ isNew: _, ...zone }) => zone);
  }

  ask(afterMs = ASK_AFTER_MS) {
    clearTimeout(this.timer);
    this.asked += 1;
    this.timer = setTimeout(() => {
      const draft = {
        n: this.asked, zones: this.plain(), selected: this.zone?.id ?? null, aspect: this.aspect,
      };
      this.call.setStateValue("draft", draft);
    }, afterMs);
  }

  sendSave() {
    clearTimeout(this.timer);
    this.saving = true;
    this.savedBefore = this.data.saved?.n ?? 0;
    this.update();
    this.call.setTriggerValue("save", { zones: this.plain(), version: this.data.version });
  }

  gridLines() {
    const found = this.zone?.ground && this.check?.zones?.[this.zone.id];
    return found?.grid ?? [];
  }

  // The screen

  update() {
    const { placing, data } = this;
    if (this.saving && (data.saved?.n ?? 0) !== this.savedBefore) this.saving = false;
    const key = !placing ? "hint" : placing.kind === "ground" ? "hint_ground" : "hint_zone";
    const next = (placing?.points.length ?? 0) + 1;
    setText(this.hint, this.say(`setup.draw.${key}`, { n: next }));
    this.done.hidden = !(placing?.kind === "zone" && placing.points.length >= MINIMUM_CORNERS);
    this.stop.hidden = !placing;
    this.fresh.hidden = Boolean(placing) || !data.picture;
    this.showList();
    this.showProblems();
    const wrong = (this.check?.problems ?? []).length > 0;
    this.save.disabled = !this.dirty || this.saving || wrong || !this.zones.length;
    this.discard.disabled = !this.dirty || this.saving;
    const words = this.saving ? this.say("setup.draw.saving") : this.dirty ? "" : data.saved?.text ?? "";
    setText(this.saved, data.saved?.failed && !this.saving ? data.saved.text : words);
    this.saved.dataset.state = data.saved?.failed ? "bad" : "ok";
    this.stage.render();
  }

  showList() {
    const shown = JSON.stringify([this.zones.map((zone) => [zone.id, zone.name]), this.selected]);
    if (shown === this.listShown) return;
    this.listShown = shown;
    this.list.replaceChildren(
      ...this.zones.map((zone, index) => {
        const choose = newButton(zone.name || zone.id, "zone-choice", () => this.select(index));
        choose.setAttribute("aria-pressed", String(index === this.selected));
        return element("li", "", choose);
      }),
    );
  }

  showProblems() {
    const problems = this.check?.problems ?? [];
    const shown = JSON.stringify(problems);
    if (shown === this.problemsShown) return;
    this.problemsShown = shown;
    this.problems.replaceChildren(...problems.map((each) => element("li", "", each)));
  }
}
