// What Streamlit calls: when the component appears, and again when its data or the theme changes.
// The editor lives on through new data of the same camera; what is drawn must not be lost.

const mounted = new WeakMap();

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  let entry = mounted.get(parentElement);
  if (!entry) {
    const root = element("div", "headcount");
    parentElement.append(root);
    entry = { root, editor: null, camera: null, calls: 0 };
    mounted.set(parentElement, entry);
  }
  entry.calls += 1;
  const call = entry.calls;
  entry.root.dataset.theme = themeOf(entry.root);
  entry.root.lang = data.language;
  if (entry.camera !== data.camera) {
    entry.editor?.remove();
    entry.editor = new Editor(entry.root, data, { setStateValue, setTriggerValue });
    entry.camera = data.camera;
  } else {
    entry.editor.receive(data);
  }
  return () => {
    if (entry.calls !== call) return; // a later call owns the editor
    entry.editor?.remove();
    entry.root.remove();
    mounted.delete(parentElement);
  };
}
