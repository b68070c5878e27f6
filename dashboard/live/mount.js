// What Streamlit calls: when the component appears, and again when its data or the theme changes.

const VIEWS = { wall: Wall, camera: CameraView, incidents: Incidents, trial: Trial, frame: Frame };
const mounted = new WeakMap();

/** Asks for new data where the site's cameras or zones are no longer those that are shown. */
function followConfig(entry, data, setTriggerValue) {
  entry.unfollow?.();
  entry.unfollow = null;
  if (!data.config) return; // a view without values
  let asked = data.config;
  entry.unfollow = feed.subscribe(() => {
    if (feed.config === asked) return;
    asked = feed.config;
    setTriggerValue("config", asked);
  });
}

export default function ({ data, parentElement, setTriggerValue }) {
  let entry = mounted.get(parentElement);
  if (!entry) {
    const root = element("div", "headcount");
    parentElement.append(root);
    entry = { root, view: null, key: null, calls: 0 };
    mounted.set(parentElement, entry);
  }
  entry.calls += 1;
  const call = entry.calls;
  entry.root.dataset.theme = themeOf(entry.root);
  entry.root.lang = data.language;
  const key = `${entry.root.dataset.theme} ${JSON.stringify(data)}`;
  if (entry.key !== key) {
    entry.view?.remove();
    entry.view = new VIEWS[data.view](entry.root, data, setTriggerValue);
    entry.key = key;
  }
  followConfig(entry, data, setTriggerValue);
  return () => {
    if (entry.calls !== call) return; // a later call owns the view
    entry.unfollow?.();
    entry.view?.remove();
    entry.root.remove();
    mounted.delete(parentElement);
  };
}
