// What stands in the header of every page: the language, dark or light, and who is signed in.

const LANGUAGE_COOKIE = "headcount_language";
const YEAR_S = 31536000;
const SESSION_LOOK_MS = 10_000;

class Frame {
  constructor(root, data) {
    const { text, languages, language, account } = data;
    this.root = root;
    const choices = Object.entries(languages);
    const group = choice(say(text, "frame.language"), choices, language, (code) => {
      document.cookie = `${LANGUAGE_COOKIE}=${code}; path=/; max-age=${YEAR_S}; samesite=lax`;
      location.reload(); // the server's words, too
    });
    for (const button of group.children) button.lang = button.dataset.key;
    const dark = root.dataset.theme === "dark";
    const theme = newButton(say(text, dark ? "frame.light" : "frame.dark"), "plain-button", () =>
      chooseTheme(dark ? "Light" : "Dark"));
    document.documentElement.lang = language;
    root.classList.add("frame");
    root.append(theme, group);
    if (account === null) return; // there is no login
    const link = element("a", "plain-button account");
    link.href = "/login"; // which says who is signed in, and signs out
    link.title = say(text, "frame.account", { name: account });
    setText(link, account);
    root.append(link);
    this.looking = setInterval(leaveWhenSignedOut, SESSION_LOOK_MS);
  }

  remove() {
    clearInterval(this.looking);
    this.root.replaceChildren();
  }
}

/** To the login page once the session has ended; asking does not keep it alive. */
async function leaveWhenSignedOut() {
  try {
    const answer = await fetch("/auth/session");
    if (!answer.ok || (await answer.json()).signed_in) return;
  } catch {
    return; // the dashboard is away, and the page says so itself
  }
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

/** Streamlit keeps the choice per page; ours is for all of them. */
function chooseTheme(name) {
  const key = (path) => `stActiveTheme-${path}-v2`;
  const known = Object.keys(localStorage).filter((each) => /^stActiveTheme-/.test(each));
  for (const each of [...known, key("/"), key(location.pathname)]) {
    localStorage.setItem(each, JSON.stringify(name));
  }
  location.reload();
}
