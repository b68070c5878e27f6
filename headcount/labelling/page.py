"""The page of `headcount train label`: run by Streamlit with a folder and weights as arguments."""

from __future__ import annotations

import base64
import mimetypes
import sys
from pathlib import Path

import streamlit as st

from headcount.labelling.labels import Point, labelled_heads, set_points
from inference.decoding import decode_picture
from models.counter import Counter
from models.training.data import sorted_pictures

HERE = Path(__file__).parent

_canvas = st.components.v2.component(
    "headcount_labels",
    js=(HERE / "page.js").read_text("utf-8"),
    css=(HERE / "page.css").read_text("utf-8"),
)


@st.cache_resource(show_spinner="Loading the model ...")
def counter(weights: str) -> Counter:
    """The model that suggests heads."""
    return Counter.load(weights)


def suggested(path: Path, weights: str) -> list[Point]:
    """The heads that the model sees, where it is at least half sure."""
    heads = counter(weights).count([decode_picture(path.read_bytes())])[0].heads
    return [(float(x) - 0.5, float(y) - 0.5) for x, y, weight in heads if weight >= 0.5]


def main(folder: Path, weights: str) -> None:
    """One picture at a time; every click is saved."""
    st.set_page_config(page_title="Headcount: label heads", layout="wide")
    st.html("<style>[data-testid=stMainBlockContainer] { padding-top: 1rem; }</style>")
    pictures = sorted_pictures(folder / "images")
    table = folder / "points.csv"
    labelled = labelled_heads(table)
    if not pictures:
        st.error(f"{folder / 'images'}: there are no pictures in it.")
        return
    st.session_state.setdefault("index", 0)
    index = min(st.session_state.index, len(pictures) - 1)
    path = pictures[index]
    title, bar = st.empty(), st.empty()

    def show_progress() -> None:
        count = len(labelled.get(path.name, []))
        title.subheader(f"{path.name}: {count} {'head' if count == 1 else 'heads'}")
        done = sum(1 for picture in pictures if picture.name in labelled)
        bar.progress(done / len(pictures), f"{done} of {len(pictures)} pictures have heads")

    show_progress()  # at once: with empty places the picture would jump under a click
    back, forth, suggest, clear = st.columns(4)
    if back.button("Previous", disabled=index == 0, use_container_width=True):
        st.session_state.index = index - 1
        st.rerun()
    if forth.button("Next", disabled=index + 1 == len(pictures), use_container_width=True):
        st.session_state.index = index + 1
        st.rerun()
    if suggest.button("Suggest heads", use_container_width=True):
        save(table, path.name, suggested(path, weights))
    if clear.button("Clear", use_container_width=True):
        save(table, path.name, [])
    picture = decode_picture(path.read_bytes())
    encoded = base64.b64encode(path.read_bytes()).decode()
    version = f"{path.name}-{st.session_state.get('revision', 0)}"
    result = _canvas(
        key=version,
        data={
            "version": version,
            "name": path.name,
            "picture": f"data:{mimetypes.guess_type(path.name)[0]};base64,{encoded}",
            "width": picture.shape[1],
            "height": picture.shape[0],
            "points": labelled.get(path.name, []),
        },
        on_points_change=lambda: None,
    )
    clicked = result.get("points")
    if clicked and clicked["name"] == path.name and clicked["points"] != labelled.get(path.name):
        points = [(float(x), float(y)) for x, y in clicked["points"]]
        labelled = set_points(table, path.name, points)
    show_progress()
    st.caption(
        "Click a head to mark it, click a mark to take it away. Every click is saved. "
        "A picture without marks counts as empty: label all, or delete those you leave out."
    )


def save(table: Path, name: str, points: list[Point]) -> None:
    """Replaces a picture's heads and draws the picture anew."""
    set_points(table, name, points)
    st.session_state.revision = st.session_state.get("revision", 0) + 1
    st.rerun()


main(Path(sys.argv[1]), sys.argv[2])
