// What belongs to the chosen zone: name, calibration, levels.

const LEVEL_KEYS = ["watch", "warning", "critical"];
const DENSITY = "persons/m2";
const DEFAULT_LEVELS = {
  unit: "persons", measure: "mean", watch: null, warning: null, critical: null,
  raise_after: 5, clear_after: 30, clear_margin: null,
};
const DENSITY_LEVELS = { ...DEFAULT_LEVELS, unit: DENSITY, watch: 3, warning: 4, critical: 5 };

/** The sides of four corners that form a rectangle, metres; nulls where they form none. */
function rectangleOf([first, second, third, fourth]) {
  const far = ([x1, y1], [x2, y2]) => Math.hypot(x1 - x2, y1 - y2);
  const [width, depth, across] = [far(first, second), far(second, third), far(first, third)];
  const square = Math.abs(across - Math.hypot(width, depth)) < 0.01 * across;
  const closed = Math.abs(far(third, fourth) - width) + Math.abs(far(fourth, first) - depth);
  const rounded = (value) => Math.round(value * 100) / 100;
  if (!square || closed > 0.02 * across) return { width: null, depth: null };
  return { width: rounded(width), depth: rounded(depth) };
}

class ZoneForm {
  constructor(editor) {
    this.editor = editor;
    this.node = element("div", "zone-form");
  }

  say(key, values) {
    return this.editor.say(`setup.draw.${key}`, values);
  }

  /** Builds the fields anew: when another zone is chosen, or a section appears. */
  build() {
    const { zone } = this.editor;
    if (!zone) {
      this.node.replaceChildren(element("p", "quiet", this.say("no_zone")));
      return;
    }
    const name = textField(this.say("name"), zone.name, (value) => this.set(() => this.rename(zone, value)));
    name.querySelector("input").placeholder = zone.id;
    this.node.replaceChildren(name, this.outline(zone), this.ground(zone), this.levels(zone));
    this.tell();
  }

  set(change) {
    change();
    this.editor.changed();
  }

  rename(zone, value) {
    zone.name = value;
    if (!zone.isNew) return;
    const taken = this.editor.zones.filter((each) => each !== zone).map((each) => each.id);
    zone.id = idFor(value ?? "", taken, "zone");
  }

  outline(zone) {
    const words = zone.polygon ? "draw_again" : "draw_outline";
    const draw = newButton(this.say(words), "", () => this.editor.startPlacing("zone", zone));
    const remove = newButton(this.say("remove"), "danger", () => this.editor.removeZone());
    const shape = zone.polygon
      ? this.say("corners", { n: zone.polygon.length })
      : this.say("whole_picture");
    return element("div", "row", element("span", "quiet grow", shape), draw, remove);
  }

  section(title, ...children) {
    return element("section", "part", element("h3", "", title), ...children);
  }

  ground(zone) {
    this.groundTold = element("p", "told");
    this.groundTold.setAttribute("role", "status");
    const set = newButton(
      this.say(zone.ground ? "ground_again" : "ground_set"), "",
      () => this.editor.startPlacing("ground", zone),
    );
    if (!zone.ground) {
      return this.section(this.say("ground"), element("p", "quiet", this.say("ground_why")), set);
    }
    const { ground } = zone;
    const drop = newButton(this.say("ground_drop"), "danger", () => {
      zone.ground = null;
      if (zone.levels?.unit === DENSITY) zone.levels = null;
      this.editor.changed();
      this.build();
    });
    return this.section(
      this.say("ground"),
      element("p", "quiet", this.say("ground_how")),
      this.rectangle(ground),
      this.metres(ground),
      element(
        "div", "pair",
        numberField(this.say("head_height"), ground.head_height, { unit: "m", step: 0.1 }, (value) =>
          this.set(() => { ground.head_height = value; })),
        numberField(this.say("camera_height"), ground.camera_height, {
          unit: "m", step: 0.1, placeholder: this.say("automatic"),
        }, (value) => this.set(() => { ground.camera_height = value; })),
      ),
      this.groundTold,
      element("div", "row", set, drop),
    );
  }

  /** Most calibrations are a rectangle: two numbers give all four points. */
  rectangle(ground) {
    const size = rectangleOf(ground.metres);
    const fill = () => {
      if (!(size.width > 0 && size.depth > 0)) return;
      const { width, depth } = size;
      ground.metres = [[0, 0], [width, 0], [width, depth], [0, depth]];
      this.metresTable.replaceWith(this.metres(ground));
      this.editor.changed();
    };
    const field = (key) => numberField(this.say(key), size[key], { unit: "m" }, (value) => {
      size[key] = value;
      fill();
    });
    return element("div", "pair", field("width"), field("depth"));
  }

  metres(ground) {
    const rows = ground.metres.map((place, index) => {
      const cells = place.map((value, axis) => {
        const input = element("input");
        Object.assign(input, { type: "number", step: "any", inputMode: "decimal", value });
        input.setAttribute("aria-label", this.say(axis ? "metres_y" : "metres_x", { n: index + 1 }));
        input.addEventListener("input", () => {
          if (input.value === "" || input.validity.badInput) return;
          this.set(() => { ground.metres[index][axis] = Number(input.value); });
        });
        return element("td", "", input);
      });
      const head = element("th", "", String(index + 1));
      head.scope = "row";
      return element("tr", "", head, ...cells);
    });
    const heads = ["point", "x", "y"].map((key) => {
      const head = element("th", "", this.say(key));
      head.scope = "col";
      return head;
    });
    this.metresTable = element(
      "table", "metres",
      element("thead", "", element("tr", "", ...heads)), element("tbody", "", ...rows),
    );
    return this.metresTable;
  }

  levels(zone) {
    const has = checkField(this.say("alert"), Boolean(zone.levels), (on) => {
      zone.levels = on ? { ...DEFAULT_LEVELS } : null;
      this.editor.changed();
      this.build();
    });
    has.hidden = Boolean(zone.ground); // a calibrated zone always has levels
    this.replayTold = element("div", "replay");
    this.replayTold.setAttribute("role", "status");
    if (!zone.levels) return this.section(this.say("levels"), has);
    return this.section(this.say("levels"), has, ...this.levelFields(zone), this.replayTold);
  }

  levelFields(zone) {
    const { levels } = zone;
    const density = levels.unit === DENSITY;
    const unit = this.say(density ? "per_m2" : "people");
    const fields = [];
    if (zone.ground) {
      const units = [[DENSITY, this.say("per_m2")], ["persons", this.say("people")]];
      fields.push(choiceField(this.say("unit"), units, levels.unit, (value) => {
        Object.assign(levels, { unit: value, measure: "mean", watch: null, warning: null, critical: null });
        this.editor.changed();
        this.build();
      }));
      if (density) {
        const measures = ["mean", "worst_cell"].map((key) => [key, this.say(`measure_${key}`)]);
        fields.push(choiceField(this.say("measure"), measures, levels.measure, (value) =>
          this.set(() => { levels.measure = value; })));
      }
    }
    const thresholds = LEVEL_KEYS.map((key) => {
      const field = numberField(this.editor.say(`level.${key}`), levels[key], {}, (value) =>
        this.set(() => { levels[key] = value; }));
      field.dataset.level = key;
      field.classList.add("level-field");
      return field;
    });
    const times = [["raise_after", "s"], ["clear_after", "s"], ["clear_margin", ""]].map(
      ([key, of]) => numberField(this.say(key), levels[key], {
        unit: of, placeholder: key === "clear_margin" ? this.say("automatic") : "",
      }, (value) => this.set(() => { levels[key] = value; })),
    );
    return [
      ...fields,
      element("p", "quiet", this.say("thresholds_in", { unit })),
      element("div", "triple", ...thresholds),
      element("div", "triple", ...times),
    ];
  }

  /** Says what the server found about the chosen zone, without touching the fields. */
  tell() {
    const { zone, check } = this.editor;
    const found = check?.zones?.[zone?.id];
    if (zone?.ground && this.groundTold) {
      const ok = found && !found.problem;
      this.groundTold.dataset.state = !found ? "asking" : ok ? "ok" : "bad";
      setText(this.groundTold, !found ? this.say("checking") : ok
        ? this.say("ground_ok", { area: found.area, height: found.height, spacing: found.spacing })
        : this.say("ground_bad", { why: found.problem }));
    }
    if (zone?.levels && this.replayTold) {
      const replay = check?.replay?.zone === zone.id ? check.replay : null;
      this.replayTold.replaceChildren(...this.replayed(replay));
    }
  }

  replayed(replay) {
    if (!replay) return [];
    const lines = replay.incidents.map((each) => element("li", "", each));
    const list = lines.length ? [element("ul", "", ...lines)] : [];
    return [element("h4", "", this.say("replay")), element("p", "", replay.sentence), ...list];
  }
}
