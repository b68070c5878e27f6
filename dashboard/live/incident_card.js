// One incident as people read it: where, how bad, since when, who has seen it, its evidence.

const PICTURE_NAME = /\.(jpe?g|png|webp)$/i;
const CLIP_NAME = /\.(mp4|webm)$/i;
const NOTE_LIMIT = 2000;

class IncidentCard {
  constructor(data, incident, onAcknowledge) {
    this.data = data;
    this.onAcknowledge = onAcknowledge;
    this.slots = [];
    this.chip = element("span", "chip");
    this.title = element("h3", "");
    this.facts = element("p", "facts");
    this.seen = element("p", "seen");
    this.note = element("p", "note");
    this.evidence = element("div", "evidence");
    this.acknowledgement = element("div", "");
    this.node = element(
      "article", "incident",
      element("header", "head", this.chip, this.title), this.facts, this.seen, this.note,
      this.evidence, this.acknowledgement,
    );
    this.node.id = `incident-${incident.id}`;
    this.node.tabIndex = -1;
  }

  update(incident, camera) {
    const { text } = this.data;
    this.incident = incident;
    const open = incident.cleared_at === null;
    const level = open && LEVEL_RANK[incident.level] !== undefined ? incident.level : levelOf(incident);
    this.node.dataset.level = level;
    this.node.dataset.open = open ? "yes" : "no";
    setLevel(this.chip, level, text);
    const settings = this.data.cameras.find((each) => each.id === incident.camera);
    const zone = settings?.zones.find((each) => each.id === incident.zone)?.name ?? incident.zone;
    const whole = !zone || (settings?.zones.length === 1 && incident.zone === "all");
    setText(this.title, whole ? camera : `${camera} / ${zone}`);
    const by = incident.acknowledged_by;
    setText(this.seen, by === null
      ? say(text, "incidents.not_acknowledged")
      : say(text, "incidents.acknowledged", {
        by, time: momentText(this.data, Date.parse(incident.acknowledged_at)),
      }));
    this.seen.dataset.seen = by === null ? "no" : "yes";
    setText(this.note, incident.note ?? "");
    this.showEvidence(incident.evidence ?? []);
    this.showForm(by === null && this.data.may_acknowledge);
    this.tick();
  }

  /** The peak of a crowd, or which kind of outage it is. */
  what() {
    const { text } = this.data;
    const { kind, unit, peak } = this.incident;
    if (kind !== "crowd") return say(text, `incidents.kind.${kind}`);
    const density = unit === "persons/m2";
    const value = density ? perSquareMetre(peak) : people(peak);
    return say(text, "incidents.peak", { value, unit: say(text, density ? "per_m2" : "people") });
  }

  tick() {
    const { text } = this.data;
    const { id, raised_at: raised, cleared_at: cleared } = this.incident;
    const start = Date.parse(raised);
    const end = cleared === null ? feed.now() : Date.parse(cleared);
    const age = duration(text, (end - start) / 1000);
    const times = cleared === null
      ? say(text, "incidents.since", { time: momentText(this.data, start), age })
      : say(text, "incidents.lasted", {
        start: momentText(this.data, start), end: momentText(this.data, end), age,
      });
    setText(this.facts, `#${id} · ${this.what()} · ${times}`);
  }

  /** Pictures as small canvases, fetched like live ones and only when seen; the rest as links. */
  showEvidence(urls) {
    const key = urls.join();
    if (key === this.evidenceShown) return;
    this.evidenceShown = key;
    this.dropSlots();
    const { text } = this.data;
    this.evidence.replaceChildren(...urls.map((url) => {
      const name = decodeURIComponent(url.split("/").pop().split("?")[0]);
      const link = element("a", "evidence-link");
      link.href = url;
      link.target = "_blank";
      link.rel = "noopener";
      const words = say(text, "incidents.evidence", { id: this.incident.id, name });
      link.setAttribute("aria-label", words);
      if (PICTURE_NAME.test(name)) {
        const canvas = element("canvas", "evidence-picture");
        link.append(canvas);
        const slot = pictures.add(canvas, null, null);
        this.slots.push(slot);
        pictures.wantUrl(slot, url);
      } else {
        link.append(CLIP_NAME.test(name) ? `▶ ${name}` : name);
      }
      return link;
    }));
  }

  showForm(wanted) {
    if (wanted === Boolean(this.form)) return;
    this.form?.remove();
    this.form = null;
    if (!wanted) return;
    const { text } = this.data;
    const note = element("input", "field note-field");
    note.placeholder = say(text, "incidents.note_hint");
    note.setAttribute("aria-label", say(text, "incidents.note"));
    note.maxLength = NOTE_LIMIT;
    const button = newButton(say(text, "incidents.acknowledge"), "plain-button", () => {});
    button.type = "submit";
    const problem = element("p", "problem");
    problem.setAttribute("role", "alert");
    this.form = element("form", "acknowledge", note, button, problem);
    this.form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      setText(problem, await this.onAcknowledge(this.incident.id, note.value));
      button.disabled = false;
    });
    this.acknowledgement.append(this.form);
  }

  dropSlots() {
    for (const slot of this.slots) pictures.remove(slot);
    this.slots = [];
  }

  remove() {
    this.dropSlots();
    this.node.remove();
  }
}
