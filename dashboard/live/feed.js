// One connection to /api/v1/events for the whole page, however many components listen to it.
// It keeps the latest value of each camera and five minutes of counts, both bounded.

const RECENT_SPAN_MS = 5 * 60 * 1000;
const RECENT_SPACING_MS = 2000;
const SILENCE_MS = 12000; // the server speaks at least every five seconds
const BACKOFF_MS = [1000, 2000, 4000, 8000, 15000];
const LINGER_MS = 2000; // survives the moment between two pages
const HIDDEN_MS = 20000; // a tab nobody looks at gives its connection back (a browser has six)

class Feed {
  constructor() {
    this.listeners = new Set();
    this.cameras = new Map();
    this.recent = new Map();
    this.incidents = [];
    this.config = null; // version of the site's configuration
    this.brokerOk = true;
    this.connected = false;
    this.failures = 0;
    this.offsetMs = 0; // the server's clock minus this browser's
    this.lostAt = null;
    this.source = null;
    this.timers = { retry: 0, watchdog: 0, linger: 0, hidden: 0 };
    document.addEventListener("visibilitychange", () => this.looked());
  }

  looked() {
    clearTimeout(this.timers.hidden);
    if (document.hidden) {
      this.timers.hidden = setTimeout(() => this.close(), HIDDEN_MS);
    } else if (this.listeners.size && !this.source && !this.timers.retry) {
      this.open();
    }
  }

  /** The server's time, ms UTC. It goes on counting while the connection is lost. */
  now() {
    return Date.now() + this.offsetMs;
  }

  /** Calls `listener(changedIds)` at each change; returns a function that ends it. */
  subscribe(listener) {
    this.listeners.add(listener);
    clearTimeout(this.timers.linger);
    if (!this.source && !this.timers.retry) this.open();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) {
        this.timers.linger = setTimeout(() => this.close(), LINGER_MS);
      }
    };
  }

  open() {
    this.timers.retry = 0;
    const source = new EventSource("/api/v1/events");
    this.source = source;
    source.addEventListener("values", (message) => {
      if (this.source === source) this.receive(JSON.parse(message.data));
    });
    source.onerror = () => {
      if (this.source === source) this.lose();
    };
    this.watch();
  }

  watch() {
    clearTimeout(this.timers.watchdog);
    this.timers.watchdog = setTimeout(() => this.lose(), SILENCE_MS);
  }

  receive(event) {
    this.watch();
    this.connected = true;
    this.failures = 0;
    this.lostAt = null;
    this.offsetMs = event.now - Date.now();
    this.brokerOk = event.broker_ok;
    this.config = event.config;
    if (event.full) {
      this.cameras.clear();
      this.recent.clear();
    }
    for (const camera of event.cameras) this.cameras.set(camera.id, camera);
    for (const [id, points] of Object.entries(event.recent || {})) this.recent.set(id, points);
    for (const camera of event.cameras) this.remember(camera);
    if (event.incidents) this.incidents = event.incidents;
    this.tell(event.cameras.map((camera) => camera.id));
  }

  /** Adds a camera's count to its recent ones; null marks where a gap begins. */
  remember(camera) {
    const points = this.recent.get(camera.id) || [];
    const [lastAt, last] = points[points.length - 1] ?? [0, null];
    const at = camera.count === null ? this.now() : camera.reading_at;
    const edge = (last === null) !== (camera.count === null);
    const spaced = camera.count !== null && at - lastAt >= RECENT_SPACING_MS;
    if (edge || spaced) points.push([at, camera.count]);
    while (points.length && points[0][0] < this.now() - RECENT_SPAN_MS) points.shift();
    this.recent.set(camera.id, points);
  }

  lose() {
    if (this.connected || this.lostAt === null) this.lostAt = this.now();
    this.connected = false;
    this.shut();
    const wait = BACKOFF_MS[Math.min(this.failures, BACKOFF_MS.length - 1)];
    this.failures += 1;
    this.timers.retry = setTimeout(() => this.open(), wait * (0.75 + Math.random() / 2));
    this.tell([]);
  }

  shut() {
    clearTimeout(this.timers.watchdog);
    clearTimeout(this.timers.retry);
    this.timers.retry = 0;
    if (this.source) this.source.close();
    this.source = null;
  }

  close() {
    this.shut();
    this.connected = false;
    this.lostAt = null;
  }

  tell(ids) {
    for (const listener of this.listeners) listener(ids);
  }
}

const feed = new Feed();
