"""The login page: one small page made on the server, which loads nothing else."""

from __future__ import annotations

import secrets
from html import escape
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse

from core.roles import Viewer
from core.settings import Site
from dashboard.language import LANGUAGES, chosen_language
from dashboard.running import Dashboard
from dashboard.text import say
from dashboard.theme import THEME

STYLE = """
:root { color-scheme: dark light; --back: %(dark_back)s; --card: %(dark_card)s;
  --text: %(dark_text)s; --line: %(dark_line)s; --accent: %(dark_accent)s; --on: #0c1117;
  --wrong: #ffb4a8 }
@media (prefers-color-scheme: light) { :root { --back: %(light_back)s; --card: %(light_card)s;
  --text: %(light_text)s; --line: %(light_line)s; --accent: %(light_accent)s; --on: #fff;
  --wrong: #a3260f } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100dvh; display: grid; place-items: center; padding: 16px;
  background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, "Noto Sans KR", "Apple SD Gothic Neo", sans-serif }
main { width: min(100%%, 380px); padding: 28px; background: var(--card);
  border: 1px solid var(--line); border-radius: 8px }
h1 { margin: 0 0 20px; font-size: 22px; line-height: 1.3; overflow-wrap: anywhere }
label { display: block; margin: 14px 0 4px }
input { width: 100%%; padding: 10px 12px; font: inherit; color: inherit; background: var(--back);
  border: 1px solid var(--line); border-radius: 8px }
input:focus-visible, button:focus-visible, a:focus-visible { outline: 3px solid var(--accent);
  outline-offset: 2px }
button, .button { display: block; width: 100%%; margin-top: 22px; padding: 11px; font: inherit;
  font-weight: 600; text-align: center; text-decoration: none; border: 0; border-radius: 8px;
  cursor: pointer; background: var(--accent); color: var(--on) }
.quiet { background: transparent; color: var(--text); border: 1px solid var(--line) }
nav { display: flex; gap: 14px; justify-content: center; margin-top: 22px; font-size: 14px }
nav a { color: inherit; padding: 4px }
[role=alert] { margin: 0 0 8px; color: var(--wrong) }
""" % {
    f"{mode}_{ours}": THEME[f"theme.{mode}.{theirs}"]
    for mode in ("dark", "light")
    for ours, theirs in (
        ("back", "backgroundColor"),
        ("card", "secondaryBackgroundColor"),
        ("text", "textColor"),
        ("line", "borderColor"),
        ("accent", "primaryColor"),
    )
}


def login_page(
    request: Request,
    dashboard: Dashboard,
    following: str,
    *,
    problem: str = "",
    name: str = "",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> HTMLResponse:
    """The page on which somebody signs in.

    Args:
        following: path to go on to, from `dashboard.login.own_path`.
        problem: why the last attempt failed, one sentence.
        name: that was given in the last attempt.
    """
    language = chosen_language(request.cookies)
    access = dashboard.identities.access
    if access.login == "oidc" and access.oidc is not None:
        provider = access.oidc.issuer.partition("://")[2].partition("/")[0]
        words = escape(say("login.provider", language, provider=provider))
        target = f"/auth/login?{urlencode({'next': following})}"
        form = f'<a class="button" href="{escape(target)}">{words}</a>'
    else:
        # The field that a person fills in next is the one in focus.
        at_name, at_password = ("", " autofocus") if name else (" autofocus", "")
        form = (
            f'<form action="/login" method="post">'
            f'<input type="hidden" name="next" value="{escape(following)}">'
            f'<label for="name">{escape(say("login.name", language))}</label>'
            f'<input id="name" name="name" value="{escape(name)}" maxlength="64" required'
            f' autocomplete="username" autocapitalize="none" spellcheck="false"{at_name}>'
            f'<label for="password">{escape(say("login.password", language))}</label>'
            f'<input id="password" name="password" type="password" maxlength="256" required'
            f' autocomplete="current-password"{at_password}>'
            f'<button type="submit">{escape(say("login.submit", language))}</button></form>'
        )
    alert = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    others = "".join(
        f'<a lang="{code}" href="{escape(_in_language(code, following))}">{escape(title)}</a>'
        for code, title in LANGUAGES.items()
        if code != language
    )
    body = f"{alert}{form}<nav>{others}</nav>"
    return _page(language, dashboard.site, body, status, headers)


def _in_language(code: str, following: str) -> str:
    return f"/login?{urlencode({'language': code, 'next': following})}"


def signed_in_page(request: Request, dashboard: Dashboard, viewer: Viewer) -> HTMLResponse:
    """What the login page says to somebody who is signed in: who they are, and the way out."""
    language = chosen_language(request.cookies)
    role = say(f"login.role.{viewer.role.value}", language)
    words = escape(say("login.signed_in", language, name=viewer.name, role=role))
    body = (
        f'<p>{words}</p><a class="button" href="/">{escape(say("login.continue", language))}</a>'
        f'<form action="/auth/logout" method="post"><button class="quiet" type="submit">'
        f"{escape(say('login.sign_out', language))}</button></form>"
    )
    return _page(language, dashboard.site, body, 200, None)


def _page(
    language: str, site: Site, body: str, status: int, headers: dict[str, str] | None
) -> HTMLResponse:
    nonce = secrets.token_urlsafe(16)
    title = escape(f"{say('login.title', language)} · {site.site.name}")
    page = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="dark light"><link rel="icon" href="data:,">'
        f'<title>{title}</title><style nonce="{nonce}">{STYLE}</style></head>'
        f"<body><main><h1>{escape(site.site.name)}</h1>{body}</main></body></html>"
    )
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(
        page,
        status,
        {"Cache-Control": "no-store", "Content-Security-Policy": policy, **(headers or {})},
    )
