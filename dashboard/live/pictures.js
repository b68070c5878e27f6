// Live pictures by URL: fetched, decoded, then drawn into a canvas in one step, so that nothing
// flickers and nothing is kept. At most four fetches are in flight (a browser allows about six
// connections to a host) and only for pictures on screen, in a tab that is looked at.

const FETCHES_AT_ONCE = 4;
const FETCH_LIMIT_MS = 8000;
const RETRY_MS = 2000;

class Pictures {
  constructor() {
    this.slots = new Set();
    this.active = 0;
    this.observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const slot = entry.target.headcountSlot;
        if (slot) slot.visible = entry.isIntersecting;
      }
      this.pump();
    });
    document.addEventListener("visibilitychange", () => this.pump());
  }

  /** A canvas that follows a camera. `onShown(slot)` is called after each drawing. */
  add(canvas, camera, onShown) {
    const slot = {
      canvas, camera, onShown, overlay: "heads,map",
      wanted: null, shown: null, visible: false, busy: false, notBefore: 0, asked: 0,
    };
    canvas.headcountSlot = slot;
    this.slots.add(slot);
    this.observer.observe(canvas);
    return slot;
  }

  remove(slot) {
    this.slots.delete(slot);
    this.observer.unobserve(slot.canvas);
    slot.canvas.headcountSlot = null;
    slot.abort?.abort();
    slot.canvas.width = slot.canvas.height = 0;
  }

  /** Asks for the picture `seq` with `overlay`; a newer wish replaces an older one. */
  want(slot, seq, overlay = slot.overlay) {
    slot.overlay = overlay;
    slot.wanted = seq === null
      ? null
      : `/live/${slot.camera}.jpg?seq=${seq}&overlay=${overlay || "none"}`;
    this.pump();
  }

  /** Asks for a picture that does not change, such as an incident's evidence. */
  wantUrl(slot, url) {
    slot.wanted = url;
    this.pump();
  }

  pump() {
    if (document.hidden) return;
    const now = Date.now();
    const due = [...this.slots]
      .filter((slot) => slot.visible && !slot.busy && slot.wanted !== null)
      // The observer tells only with the next frame what has been hidden, and late on a busy machine.
      .filter((slot) => !slot.canvas.closest("[hidden]"))
      .filter((slot) => slot.wanted !== slot.shown && slot.notBefore <= now)
      .sort((one, other) => one.asked - other.asked);
    for (const slot of due) {
      if (this.active >= FETCHES_AT_ONCE) return;
      this.fetch(slot, now);
    }
  }

  async fetch(slot, now) {
    const wanted = slot.wanted;
    slot.busy = true;
    slot.asked = now;
    slot.abort = new AbortController();
    this.active += 1;
    const limit = setTimeout(() => slot.abort.abort(), FETCH_LIMIT_MS);
    try {
      const answer = await fetch(wanted, { signal: slot.abort.signal });
      if (!answer.ok) throw new Error(`${answer.status}`);
      const bitmap = await createImageBitmap(await answer.blob());
      if (this.slots.has(slot)) this.show(slot, bitmap, wanted);
      bitmap.close();
    } catch {
      slot.notBefore = Date.now() + RETRY_MS;
      setTimeout(() => this.pump(), RETRY_MS + 50);
    } finally {
      clearTimeout(limit);
      slot.busy = false;
      this.active -= 1;
      this.pump();
    }
  }

  show(slot, bitmap, wanted) {
    const { canvas } = slot;
    if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
    if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    slot.shown = wanted;
    slot.onShown?.(slot);
  }
}

const pictures = new Pictures();
