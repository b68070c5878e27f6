// Incidents: open and past, with a timeline, their evidence, acknowledgement and export.

const SPANS_DAYS = { 1: 1, 7: 7, 30: 30, 365: 365 };
const PAST_SHOWN = 30;
const REFRESH_MS = 15000;
const DAY_MS = 86400000;

class Incidents {
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.days = 7;
    this.camera = "";
    this.most = PAST_SHOWN;
    this.list = [];
    this.cards = new Map();
    const { text } = data;
    this.lost = element("p", "lost");
    this.lost.setAttribute("role", "status");
    this.failed = element("p", "lost");
    this.said = element("p", "hidden");
    this.said.setAttribute("aria-live", "polite");
    this.timeline = new Timeline(data, (id) => this.choose(id));
    this.openTitle = element("h2", "", say(text, "incidents.open"));
    this.open = element("div", "incident-cards");
    this.noneOpen = element("p", "quiet", say(text, "incidents.none_open"));
    this.past = element("div", "incident-cards");
    this.nonePast = element("p", "quiet", say(text, "incidents.none_past"));
    this.more = newButton(say(text, "incidents.more"), "plain-button", () => {
      this.most += 5 * PAST_SHOWN;
      this.show();
    });
    root.classList.add("incidents-root");
    root.append(
      this.makeControls(), this.lost, this.failed, this.timeline.node,
      this.openTitle, this.noneOpen, this.open,
      element("h2", "", say(text, "incidents.past")), this.nonePast, this.past, this.more, this.said,
    );
    this.known = "";
    this.unsubscribe = feed.subscribe(() => this.heard());
    this.timer = setInterval(() => this.tick(), 1000);
    this.load();
  }

  makeControls() {
    const { text } = this.data;
    const spans = Object.keys(SPANS_DAYS).map((days) => [days, say(text, `incidents.span.${days}`)]);
    const span = choice(say(text, "incidents.span"), spans, "7", (days) => {
      this.days = SPANS_DAYS[days];
      this.load();
    });
    const cameras = element("select", "field");
    cameras.setAttribute("aria-label", say(text, "incidents.camera"));
    cameras.append(new Option(say(text, "incidents.all_cameras"), ""));
    for (const camera of this.data.cameras) cameras.append(new Option(camera.name, camera.id));
    cameras.addEventListener("change", () => {
      this.camera = cameras.value;
      this.load();
    });
    const save = newButton(say(text, "incidents.export"), "plain-button", () => this.export());
    return element("div", "bar", span, cameras, save);
  }

  /** An incident was raised, changed or cleared: the event stream says so at once. */
  heard() {
    const now = JSON.stringify(feed.incidents.map((each) => [each.id, each.level, each.acknowledged_at]));
    if (now !== this.known && feed.connected) {
      this.known = now;
      this.load();
    }
  }

  async load() {
    clearTimeout(this.refresh);
    const asked = (this.asked = Symbol("request"));
    this.to = feed.now();
    this.from = this.to - this.days * DAY_MS;
    const camera = this.camera ? `&camera=${this.camera}` : "";
    const span = `from=${new Date(this.from).toISOString()}&to=${new Date(this.to).toISOString()}`;
    try {
      if (!document.hidden) {
        const list = await fetchJson(`/api/v1/incidents?${span}${camera}`);
        if (this.asked !== asked || this.removed) return;
        this.list = list;
        setText(this.failed, "");
        this.show();
      }
    } catch {
      if (this.asked === asked) setText(this.failed, say(this.data.text, "incidents.failed"));
    }
    if (this.asked === asked && !this.removed) {
      this.refresh = setTimeout(() => this.load(), REFRESH_MS);
    }
  }

  show() {
    const open = this.list
      .filter((each) => each.cleared_at === null)
      .sort((one, other) => (LEVEL_RANK[other.level] ?? 4) - (LEVEL_RANK[one.level] ?? 4));
    const past = this.list.filter((each) => each.cleared_at !== null);
    this.timeline.show(this.list, this.from, this.to, (id) => this.cameraName(id));
    this.noneOpen.hidden = open.length > 0;
    this.nonePast.hidden = past.length > 0;
    this.more.hidden = past.length <= this.most;
    const shown = past.slice(0, this.most);
    this.place(this.open, open);
    this.place(this.past, shown);
    const kept = new Set([...open, ...shown].map((each) => each.id));
    for (const [id, card] of this.cards) {
      if (kept.has(id)) continue;
      card.remove();
      this.cards.delete(id);
    }
  }

  /** Cards stay the same elements, so that nobody loses the note being typed. */
  place(box, incidents) {
    incidents.forEach((incident, at) => {
      let card = this.cards.get(incident.id);
      if (!card) {
        card = new IncidentCard(this.data, incident, (id, note) => this.acknowledge(id, note));
        this.cards.set(incident.id, card);
      }
      card.update(incident, this.cameraName(incident.camera ?? ""));
      if (box.children[at] !== card.node) box.insertBefore(card.node, box.children[at] ?? null);
    });
  }

  cameraName(id) {
    if (!id) return say(this.data.text, "incidents.kind.worker");
    return this.data.cameras.find((camera) => camera.id === id)?.name ?? id;
  }

  choose(id) {
    const place = this.list.filter((each) => each.cleared_at !== null).findIndex((each) => each.id === id);
    if (place >= this.most) {
      this.most = place + 1;
      this.show();
    }
    const card = this.cards.get(id);
    card?.node.scrollIntoView({ behavior: "smooth", block: "center" });
    card?.node.focus({ preventScroll: true });
  }

  /** Sends the note; what went wrong as a sentence, or nothing. */
  async acknowledge(id, note) {
    const { text } = this.data;
    const answer = await fetch(`/api/v1/incidents/${id}/ack`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ note }),
    }).catch((error) => ({ ok: false, status: 0, json: async () => ({ error: String(error) }) }));
    let problem = "";
    if (answer.status === 409) problem = say(text, "incidents.already", { id });
    else if (!answer.ok) {
      const { error } = await answer.json().catch(() => ({ error: answer.status }));
      problem = say(text, "incidents.ack_failed", { error });
    }
    setText(this.said, problem || say(text, "incidents.done", { id }));
    this.load();
    return problem;
  }

  export() {
    const columns = [
      "id", "kind", "camera", "zone", "level", "peak_level", "unit", "peak", "raised_at", "cleared_at",
      "acknowledged_at", "acknowledged_by", "note",
    ];
    const lines = this.list.map((each) => columns.map((name) => csvCell(each[name])).join());
    const text = [columns.join(), ...lines].join("\r\n");
    const link = element("a", "");
    link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
    link.download = `incidents-${new Date(this.from).toISOString().slice(0, 10)}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  tick() {
    showConnection(this.root, this.lost, this.data.text);
    for (const card of this.cards.values()) card.tick();
  }

  remove() {
    this.removed = true;
    this.unsubscribe();
    clearInterval(this.timer);
    clearTimeout(this.refresh);
    this.timeline.remove();
    for (const card of this.cards.values()) card.remove();
    this.root.classList.remove("incidents-root");
    this.root.replaceChildren();
  }
}

/** A spreadsheet would run a cell that begins like a formula; it gets an apostrophe. */
function csvCell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
