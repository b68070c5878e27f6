// A picture of the viewer's own: counted once, or with several steps S and samples K side by side.

const COMPARED = [[1, 1], [2, 1], [4, 1], [8, 1], [1, 4], [4, 4]];

class Trial {
  constructor(root, data) {
    this.root = root;
    this.data = data;
    const { text } = data;
    this.file = element("input", "hidden");
    this.file.type = "file";
    this.file.accept = "image/jpeg,image/png";
    this.file.setAttribute("aria-label", say(text, "model.choose"));
    this.file.addEventListener("change", () => this.take(this.file.files[0]));
    const pick = newButton(say(text, "model.choose"), "plain-button", () => this.file.click());
    this.drop = element("div", "drop", this.file, pick, element("span", "quiet", say(text, "model.or_drop")));
    this.drop.addEventListener("dragover", (event) => event.preventDefault());
    this.drop.addEventListener("drop", (event) => {
      event.preventDefault();
      this.take(event.dataTransfer.files[0]);
    });
    this.canvas = element("canvas", "trial-picture");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", say(text, "model.picture"));
    this.canvas.hidden = true;
    this.result = element("p", "trial-result");
    this.result.setAttribute("role", "status");
    this.heads = element("input", "");
    this.heads.type = "checkbox";
    this.heads.checked = true;
    this.heads.addEventListener("change", () => this.draw());
    this.toggle = element("label", "", this.heads, ` ${say(text, "model.show_heads")}`);
    this.compare = newButton(say(text, "model.compare"), "plain-button", () => this.compareAll());
    this.rows = element("tbody");
    const head = ["model.steps", "model.samples", "people", "interval", "model.milliseconds"];
    this.table = element(
      "table", "zone-table",
      element("thead", "", element("tr", "", ...head.map((key) => {
        const cell = element("th", "", say(text, key));
        cell.scope = "col";
        return cell;
      }))),
      this.rows,
    );
    this.after = element("div", "bar", this.toggle, this.compare);
    this.after.hidden = this.table.hidden = true;
    root.classList.add("trial");
    root.append(
      element("p", "quiet", say(text, "model.try_hint", { mb: data.most_mb })),
      this.drop, this.result, this.canvas, this.after, this.table,
    );
  }

  async take(file) {
    if (!file) return;
    const { text, most_mb: most } = this.data;
    const run = (this.run = Symbol("run"));
    this.after.hidden = this.table.hidden = this.canvas.hidden = true;
    this.item = null;
    if (file.size > most * 1e6) {
      this.say("model.failed", { error: say(text, "model.too_large", { mb: most }) });
      return;
    }
    this.say("model.counting");
    try {
      this.bitmap?.close();
      this.bitmap = null;
      this.bitmap = await createImageBitmap(file);
    } catch {
      this.say("model.failed", { error: say(text, "model.unreadable") });
      return;
    }
    this.picture = file;
    this.draw();
    try {
      const item = await this.count("");
      if (this.run !== run) return;
      this.item = item;
      this.say("model.result", { count: people(item.count), interval: interval(item.low, item.high) });
      this.after.hidden = false;
      this.draw();
    } catch (error) {
      if (this.run === run) this.say("model.failed", { error: error.message });
    }
  }

  async count(query) {
    const answer = await fetch(`/api/v1/count${query}`, { method: "POST", body: this.picture });
    const result = await answer.json();
    if (!answer.ok) throw new Error(result.error);
    return result;
  }

  /** One after the other: the worker counts the cameras meanwhile. */
  async compareAll() {
    const { run } = this;
    this.compare.disabled = true;
    this.rows.replaceChildren();
    this.table.hidden = false;
    for (const [steps, samples] of COMPARED) {
      const cells = [steps, samples, "…", "", ""].map((words) => element("td", "n", String(words)));
      this.rows.append(element("tr", "", ...cells));
      try {
        const item = await this.count(`?steps=${steps}&samples=${samples}`);
        if (this.run !== run) break;
        setText(cells[2], item.count.toFixed(1));
        setText(cells[3], `${item.low.toFixed(1)}–${item.high.toFixed(1)}`);
        setText(cells[4], people(item.ms));
      } catch (error) {
        setText(cells[2], "–");
        this.say("model.failed", { error: error.message });
        break;
      }
    }
    this.compare.disabled = false;
  }

  draw() {
    if (!this.bitmap) return;
    const { canvas, bitmap } = this;
    canvas.hidden = false;
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    const context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    if (!this.item || !this.heads.checked) return;
    const unit = Math.max(2, bitmap.height / 190);
    context.fillStyle = "#d6f4ff";
    context.strokeStyle = "#0a1624";
    context.lineWidth = unit / 3;
    for (const [x, y, weight] of this.item.heads) {
      if (weight < 0.15) continue; // as on the live picture
      context.beginPath();
      context.arc(x, y, unit * Math.min(2.5, Math.max(0.5, Math.sqrt(weight))), 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
  }

  say(key, values) {
    setText(this.result, say(this.data.text, key, values));
  }

  remove() {
    this.run = null;
    this.bitmap?.close();
    this.root.classList.remove("trial");
    this.root.replaceChildren();
  }
}
