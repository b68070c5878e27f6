"""Open and past incidents, and their acknowledgement."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError

from core import history as history_queries
from dashboard import markup
from dashboard.api import acknowledge
from dashboard.running import running
from dashboard.text import say
from dashboard.viewer import current_viewer

DAY_MS = 86_400_000
NOTE_LIMIT = 2000
dashboard = running()
zone = dashboard.site.site.zone
theme = st.context.theme.type or "dark"


def named(incident: dict[str, Any]) -> str:
    """Where an incident is: camera and zone by their names."""
    if not incident["camera"]:
        return say(f"incidents.kind.{incident['kind']}")
    try:
        camera = dashboard.site.camera(incident["camera"])
    except KeyError:  # it was taken out of the site file since
        return " / ".join(part for part in (incident["camera"], incident["zone"]) if part)
    zones = {each.id: each.title for each in camera.zones}
    place = zones.get(incident["zone"], incident["zone"])
    return camera.title if place in (None, "all") else f"{camera.title} / {place}"


def what(incident: dict[str, Any]) -> str:
    """The peak of a crowd, or which kind of outage it is."""
    if incident["kind"] != "crowd":
        return say(f"incidents.kind.{incident['kind']}")
    density = incident["unit"] == "persons/m2"
    value = f"{incident['peak']:.1f}" if density else f"{incident['peak']:.0f}"
    unit = say("per_m2") if density else say("people")
    return say("incidents.peak", value=value, unit=unit)


def card(incident: dict[str, Any], now: int) -> str:
    """An incident as people read it."""
    raised, cleared = incident["raised_at"], incident["cleared_at"]
    age = markup.duration(((cleared or now) - raised) / 1000)
    start = markup.moment(raised, zone)
    if cleared is None:
        times = say("incidents.since", time=start, age=age)
    else:
        times = say("incidents.lasted", start=start, end=markup.moment(cleared, zone), age=age)
    parts = [f"#{incident['id']}", what(incident), times, acknowledged(incident)]
    level = incident["level"] if cleared is None else incident["peak_level"]
    text = escape(" · ".join(part for part in parts if part))
    note = f"<p class='note'>{escape(incident['note'])}</p>" if incident["note"] else ""
    name = escape(named(incident))
    mark = markup.chip(level or "unknown")
    return (
        f"<article class='incident' data-level='{escape(level or 'unknown')}'>"
        f"<header>{mark}<h3>{name}</h3></header><p>{text}</p>{note}</article>"
    )


def acknowledged(incident: dict[str, Any]) -> str:
    at = incident["acknowledged_at"]
    if at is None:
        return say("incidents.not_acknowledged")
    by = incident["acknowledged_by"]
    return say("incidents.acknowledged", by=by, time=markup.moment(at, zone))


def read(**query: Any) -> list[dict[str, Any]] | None:
    """Incidents, or None after saying that they cannot be read."""
    try:
        with dashboard.history.snapshot() as connection:
            return history_queries.incidents(connection, cameras=current_viewer().cameras, **query)
    except SQLAlchemyError as error:
        st.error(say("incidents.failed", error=str(error).splitlines()[0]))
        return None


def form(incident: dict[str, Any]) -> None:
    """Where an operator acknowledges an incident."""
    number = incident["id"]
    with st.form(f"acknowledge {number}", border=False):
        columns = st.columns([5, 1], vertical_alignment="bottom")
        words = say("incidents.note")
        note = columns[0].text_input(
            words, max_chars=NOTE_LIMIT, placeholder=words, label_visibility="collapsed"
        )
        pressed = columns[1].form_submit_button(say("incidents.acknowledge"), width="stretch")
    if not pressed:
        return
    if acknowledge(dashboard, number, note, current_viewer()):
        st.toast(say("incidents.done", id=number))
    else:
        st.toast(say("incidents.already", id=number))
    st.rerun(scope="fragment")


@st.fragment(run_every=2)
def show_open() -> None:
    now = dashboard.values.now_ms()
    incidents = read(open_only=True)
    if incidents == []:
        st.html(markup.page(f"<p class='quiet'>{say('incidents.none_open')}</p>", theme))
    for incident in incidents or ():
        with st.container(key=f"open-incident-{incident['id']}"):
            st.html(markup.page(card(incident, now), theme))
            if incident["acknowledged_at"] is None and current_viewer().may_acknowledge:
                form(incident)


@st.fragment(run_every=10)
def show_past() -> None:
    now = dashboard.values.now_ms()
    days = st.segmented_control(
        say("incidents.span"),
        [1, 7, 30, 365],
        default=7,
        format_func=lambda days: say(f"incidents.span.{days}"),
        label_visibility="collapsed",
    )
    incidents = read(from_ms=now - (days or 7) * DAY_MS, to_ms=now)
    if incidents is None:
        return
    past = [incident for incident in incidents if incident["cleared_at"] is not None]
    past.sort(key=lambda incident: -int(incident["raised_at"]))
    cards = "".join(card(incident, now) for incident in past[:200])
    empty = f"<p class='quiet'>{say('incidents.none_past')}</p>"
    st.html(markup.page(cards or empty, theme))


st.subheader(say("incidents.open"), anchor=False)
show_open()
st.subheader(say("incidents.past"), anchor=False)
show_past()
