"""Services, cameras, capacity; a plain sentence for each thing that is wrong."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.messages import Heartbeat, Service
from dashboard import markup
from dashboard.metrics import notification_tally
from dashboard.running import running
from dashboard.system import capacity_sentence, find_problems
from dashboard.text import say
from dashboard.viewer import current_viewer

dashboard = running()
zone = dashboard.site.site.zone
theme = st.context.theme.type or "dark"
MODEL_FACTS_HIDDEN = {"capacity_fps"}


def problems() -> str:
    found = find_problems(dashboard, current_viewer())
    if not found:
        return f"<p class='fine'>{markup.chip('normal', say('system.fine'))}</p>"
    rows = "".join(
        f"<li data-level='{each.severity}'>{markup.chip(each.severity, '', small=True)}"
        f"<span>{escape(each.sentence)}</span></li>"
        for each in found
    )
    return f"<ul class='problems'>{rows}</ul>"


def services(heartbeats: list[Heartbeat], now: int) -> str:
    head = ["service", "process", "heartbeat", "uptime", "version", "config", "clock"]
    rows = [
        (
            heartbeat.service.value,
            heartbeat.id,
            markup.ago(heartbeat.at, now),
            markup.duration((now - heartbeat.started_at) / 1000),
            heartbeat.version,
            heartbeat.config_version,
            f"{heartbeat.clock_offset_ms:+d} ms",
        )
        for heartbeat in sorted(heartbeats, key=lambda each: (each.service, each.id))
    ]
    return markup.table([say(f"system.{name}") for name in head], rows)


def cameras(now: int) -> str:
    head = ["camera", "status", "state", "since", "frame_age", "reading_age", "source"]
    head += ["frames", "drops", "reconnects"]
    rows = []
    viewer = current_viewer()
    for value in dashboard.values.cameras():
        if not viewer.may_see(value.id):
            continue
        state = dashboard.live.state(value.id)
        ok = value.status == "ok"
        words = say("system.ok") if ok else say(f"reason.{value.reason or 'null'}")
        status = markup.Cell(markup.chip("normal" if ok else "unknown", words, small=True))
        reading = markup.ago(value.reading_at, now)
        if state is None:
            rows.append((value.name, status, "–", "–", "–", reading, "–", "–", "–", "–"))
            continue
        source = f"{state.width} × {state.height}, {state.source_fps:.3g}/s" if state.width else "–"
        rows.append(
            (
                value.name,
                status,
                state.state.value,
                markup.ago(state.since, now),
                markup.ago(state.last_frame_at, now) if state.last_frame_at else "–",
                reading,
                source,
                str(state.frames),
                str(dashboard.live.drops(value.id)),
                str(state.reconnects),
            )
        )
    return markup.table([say(f"system.{name}") for name in head], rows)


def workers(heartbeats: list[Heartbeat]) -> str:
    """What each worker says of its machine and model."""
    found = [each for each in heartbeats if each.service is Service.WORKER]
    keys = sorted({key for each in found for key in each.facts} - MODEL_FACTS_HIDDEN)
    rows = [(each.id, *(each.facts.get(key, "–") for key in keys)) for each in found]
    if not rows:
        return ""
    return markup.table([say("system.process"), *(key.replace("_", " ") for key in keys)], rows)


def notifications() -> str:
    tally = notification_tally(dashboard)
    parts = [f"{number} {say(f'system.{outcome}')}" for outcome, number in tally.items()]
    return f"<p>{escape(' · '.join(parts))}</p>"


@st.fragment(run_every=2)
def show() -> None:
    now = dashboard.values.now_ms()
    heartbeats = dashboard.live.heartbeats()
    capacity = capacity_sentence(heartbeats, dashboard.site.frames_per_second)
    sections = [
        ("services", services(heartbeats, now)),
        ("cameras", cameras(now)),
        ("capacity", f"<p>{escape(capacity)}</p>{workers(heartbeats)}"),
        ("notifications", notifications()),
    ]
    body = "".join(
        f"<section><h2>{escape(say(f'system.{name}'))}</h2>{content}</section>"
        for name, content in sections
    )
    st.html(markup.page(f"{problems()}{body}", theme))


show()
