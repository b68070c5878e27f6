// The camera's picture with what is drawn on it. Everything works with the mouse, a finger and the
// keyboard: what can be moved can be focused, and a crosshair places new points.

const CLOSE_PX = 16; // a click so near the first corner closes the outline
const STEP = 0.005; // of the picture, for each press of an arrow key
const BIG_STEP = 0.05; // with Shift
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class Stage {
  constructor(editor) {
    this.editor = editor;
    this.size = [16, 9];
    this.pointer = null; // where the next point would come, while points are placed
    this.drag = null;
    this.image = element("img", "still");
    this.image.alt = "";
    this.note = element("p", "stage-note");
    this.svg = svgElement("svg", { class: "drawing", tabindex: "0", role: "group" });
    this.svg.setAttribute("aria-label", editor.say("setup.draw.picture"));
    this.node = element("div", "stage", this.image, this.svg, this.note);
    this.svg.addEventListener("pointerdown", (event) => this.down(event));
    this.svg.addEventListener("pointermove", (event) => this.move(event));
    this.svg.addEventListener("pointerup", (event) => this.up(event));
    this.svg.addEventListener("pointercancel", () => this.cancel());
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.observer = new ResizeObserver(() => this.render());
    this.observer.observe(this.node);
  }

  remove() {
    this.observer.disconnect();
    clearTimeout(this.retry);
  }

  /** Takes a picture from its address; tries again until there is one. */
  load(url) {
    clearTimeout(this.retry);
    if (!url) return;
    const next = new Image();
    next.onload = () => {
      this.image.src = next.src;
      this.size = [next.naturalWidth, next.naturalHeight];
      this.node.style.setProperty("--aspect", `${this.size[0]} / ${this.size[1]}`);
      this.node.dataset.picture = "yes";
      this.editor.hasPicture(this.size[0] / this.size[1]);
    };
    next.onerror = () => {
      this.retry = setTimeout(() => this.load(url), 2000);
    };
    next.src = `${url}${url.includes("?") ? "&" : "?"}at=${Date.now()}`;
  }

  place(event) {
    const box = this.svg.getBoundingClientRect();
    return point((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }

  px([x, y]) {
    return [x * this.width, y * this.height];
  }

  down(event) {
    if (event.button !== 0) return;
    const key = event.target.closest("[data-key]")?.dataset.key;
    if (this.editor.placing) {
      event.preventDefault();
      this.svg.focus({ preventScroll: true });
      return;
    }
    if (!key) return;
    const [kind, index] = key.split(" ");
    if (kind === "zone") this.editor.select(Number(index));
    if (kind === "middle") {
      this.editor.insertCorner(Number(index), this.place(event));
      this.drag = { key: `corner ${Number(index) + 1}`, from: this.place(event) };
    } else {
      this.drag = { key, from: this.place(event) };
    }
    this.svg.setPointerCapture(event.pointerId);
  }

  move(event) {
    const here = this.place(event);
    if (this.editor.placing) {
      this.pointer = here;
      this.render();
    } else if (this.drag) {
      const [dx, dy] = [here[0] - this.drag.from[0], here[1] - this.drag.from[1]];
      this.drag.from = here;
      this.editor.moveThing(this.drag.key, dx, dy);
    }
  }

  up(event) {
    if (this.editor.placing) {
      if (event.button === 0) this.putPoint(this.place(event));
      return;
    }
    const { drag } = this;
    this.drag = null;
    if (drag) this.focus(drag.key);
  }

  cancel() {
    this.drag = null;
    this.pointer = null;
    this.render();
  }

  putPoint(place) {
    const { placing } = this.editor;
    if (placing.kind === "zone" && placing.points.length >= MINIMUM_CORNERS) {
      const [first, here] = [this.px(placing.points[0]), this.px(place)];
      if (Math.hypot(first[0] - here[0], first[1] - here[1]) < CLOSE_PX) {
        this.editor.finish();
        return;
      }
    }
    this.editor.addPoint(place);
  }

  key(event) {
    const arrow = ARROWS[event.key];
    const step = event.shiftKey ? BIG_STEP : STEP;
    const key = event.target.dataset?.key;
    if (this.editor.placing) {
      if (arrow) {
        const [x, y] = this.pointer ?? [0.5, 0.5];
        this.pointer = point(x + arrow[0] * step, y + arrow[1] * step);
        this.render();
      } else if (event.key === " ") this.putPoint(this.pointer ?? [0.5, 0.5]);
      else if (event.key === "Enter") this.editor.finish();
      else if (event.key === "Backspace") this.editor.undoPoint();
      else if (event.key === "Escape") this.editor.stopPlacing();
      else return;
    } else if (key && arrow) this.editor.moveThing(key, arrow[0] * step, arrow[1] * step);
    else if (key && (event.key === "Delete" || event.key === "Backspace")) this.editor.removeThing(key);
    else if (key && (event.key === "Enter" || event.key === " ")) this.pick(key);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  pick(key) {
    const [kind, index] = key.split(" ");
    if (kind === "zone") this.editor.select(Number(index));
    if (kind === "middle") {
      this.editor.insertCorner(Number(index));
      this.focus(`corner ${Number(index) + 1}`);
    }
  }

  focus(key) {
    this.svg.querySelector(`[data-key="${key}"]`)?.focus({ preventScroll: true });
  }

  render() {
    const box = this.svg.getBoundingClientRect();
    if (!box.width) return;
    [this.width, this.height] = [box.width, box.height];
    const focused = this.svg.getRootNode().activeElement?.dataset?.key;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.svg.dataset.placing = this.editor.placing ? "yes" : "no";
    const { zones, selected, placing } = this.editor;
    this.svg.replaceChildren(
      ...this.grid(),
      ...zones.flatMap((zone, index) => (index === selected ? [] : this.outline(zone, index))),
      ...(zones[selected] ? this.chosen(zones[selected], selected) : []),
      ...(placing ? this.placed(placing) : []),
    );
    if (focused && !placing) this.focus(focused);
  }

  grid() {
    const lines = this.editor.gridLines();
    const path = lines
      .map((line) => `M${line.map((each) => this.px(each).map((v) => v.toFixed(1))).join("L")}`)
      .join("");
    return path ? [svgElement("path", { d: path, class: "grid" })] : [];
  }

  corners(points) {
    return points.map((each) => this.px(each).map((value) => value.toFixed(1)).join(",")).join(" ");
  }

  outline(zone, index) {
    if (!zone.polygon) return [];
    const area = svgElement("polygon", {
      points: this.corners(zone.polygon), class: "zone", "data-key": `zone ${index}`,
      tabindex: "0", role: "button", "aria-label": zone.name || zone.id,
    });
    const [x, y] = this.px(centre(zone.polygon));
    return [area, svgElement("text", { x, y, class: "zone-name" }, zone.name || zone.id)];
  }

  chosen(zone, index) {
    const parts = [];
    const { polygon } = zone;
    if (polygon) {
      parts.push(svgElement("polygon", {
        points: this.corners(polygon), class: "zone chosen", "data-key": `zone ${index}`,
        tabindex: "0", role: "button", "aria-label": zone.name || zone.id,
      }));
      if (!this.editor.placing) {
        polygon.forEach((each, corner) => {
          const next = polygon[(corner + 1) % polygon.length];
          parts.push(this.handle(middle(each, next), `middle ${corner}`, "setup.draw.new_corner", corner, 5));
        });
        polygon.forEach((each, corner) => {
          parts.push(this.handle(each, `corner ${corner}`, "setup.draw.corner", corner, 8));
        });
      }
    }
    if (zone.ground && this.editor.placing?.kind !== "ground") {
      parts.push(svgElement("polygon", { points: this.corners(zone.ground.picture), class: "ground" }));
      zone.ground.picture.forEach((each, corner) => {
        parts.push(this.handle(each, `ground ${corner}`, "setup.draw.ground_point", corner, 10));
        const [x, y] = this.px(each);
        parts.push(svgElement("text", { x, y, class: "number" }, String(corner + 1)));
      });
    }
    return parts;
  }

  handle(place, key, words, number, radius) {
    const [cx, cy] = this.px(place);
    const group = svgElement("g", {
      class: `handle ${key.split(" ")[0]}`, "data-key": key, tabindex: "0", role: "button",
      "aria-label": this.editor.say(words, { n: number + 1 }),
    });
    group.append(
      svgElement("circle", { cx, cy, r: 16, class: "reach" }),
      svgElement("circle", { cx, cy, r: radius, class: "dot" }),
    );
    return group;
  }

  placed({ kind, points }) {
    const parts = [];
    const path = this.pointer ? [...points, this.pointer] : points;
    if (path.length > 1) {
      parts.push(svgElement("polyline", { points: this.corners(path), class: `placing ${kind}` }));
    }
    points.forEach((each, index) => {
      const [cx, cy] = this.px(each);
      parts.push(svgElement("circle", { cx, cy, r: index === 0 && kind === "zone" ? 8 : 6, class: "placed" }));
      if (kind === "ground") {
        parts.push(svgElement("text", { x: cx, y: cy, class: "number" }, String(index + 1)));
      }
    });
    if (this.pointer) {
      const [x, y] = this.px(this.pointer);
      parts.push(svgElement("path", {
        class: "crosshair",
        d: `M${x} 0V${this.height}M0 ${y}H${this.width}`,
      }));
    }
    return parts;
  }
}
