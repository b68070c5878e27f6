"""The HTML page that Streamlit's frontend starts from, told where its server is.

Left alone, the frontend of a page such as ``/camera`` first asks ``/camera/_stcore/health``, which
fails loudly in the browser's console; and the window is white until the theme is loaded, which is
light or dark as the viewer's machine likes, where a control room wants dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from dashboard.theme import THEME

INDEX = Path(streamlit.__file__).parent / "static" / "index.html"
CHOSEN_THEME = """
      // Dark until somebody chooses otherwise in the menu; the choice is Streamlit's own.
      const chosen = (path) => localStorage.getItem(`stActiveTheme-${path}-v2`);
      const theme = chosen(location.pathname) ?? chosen("/") ?? '"Dark"';
      const light = theme === '"Light"' ||
        (theme === '"System"' && matchMedia("(prefers-color-scheme: light)").matches);
"""
HEAD = f"""
    <script>
      window.__streamlit = {{BACKEND_BASE_URL: location.origin + "/"}};
      {CHOSEN_THEME}
      localStorage.setItem(`stActiveTheme-${{location.pathname}}-v2`, theme);
      document.documentElement.style.background =
        light ? "{THEME["theme.light.backgroundColor"]}" : "{THEME["theme.dark.backgroundColor"]}";
    </script>
"""


def shell(index: str) -> str:
    """Streamlit's ``index.html`` with our head and title.

    Raises:
        RuntimeError: this version of Streamlit has another page than we know.
    """
    if "<head>" not in index or "<title>Streamlit</title>" not in index:
        raise RuntimeError(f"{INDEX} is not the page of a Streamlit version that we know")
    page = index.replace("<head>", "<head>" + HEAD, 1)
    return page.replace("<title>Streamlit</title>", "<title>Headcount</title>", 1)


def shell_routes(paths: Sequence[str]) -> list[BaseRoute]:
    """Routes that answer with the page, for the pages' own paths."""
    page = shell(INDEX.read_text("utf-8"))

    async def answer(_: Request) -> Response:
        return HTMLResponse(page, headers={"Cache-Control": "no-cache"})

    return [Route(path, answer) for path in paths]
