"""Services, cameras, capacity; a plain sentence for each thing that is wrong."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.messages import Heartbeat, Service
from dashboard import markup
from dashboard.answers import DOCS_PATH
from dashboard.machine import Machine, size_words
from dashboard.running import running
from dashboard.system import Findings, capacity_sentence, find_problems, look
from dashboard.text import say
from dashboard.viewer import current_viewer

dashboard = running()
theme = st.context.theme.type or "dark"
FACTS = (
    "host",
    "device",
    "model",
    "weights_hash",
    "steps",
    "max_side",
    "capacity_fps",
    "asked_fps",
)


def problems(findings: Findings) -> str:
    found = find_problems(dashboard, findings)
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


def cameras(findings: Findings) -> str:
    head = ["camera", "status", "state", "since", "frame_age", "reading_age"]
    head += ["frames_per_second", "queue", "drops", "reconnects", "source"]
    rows, now = [], findings.now
    for value in findings.cameras:
        state = dashboard.live.state(value.id)
        ok = value.status == "ok"
        words = say("system.ok") if ok else say(f"reason.{value.reason or 'null'}")
        status = markup.Cell(markup.chip("normal" if ok else "unknown", words, small=True))
        reading = markup.ago(value.reading_at, now)
        if state is None:
            rows.append((value.name, status, "–", "–", "–", reading, *"–––––"))
            continue
        source = f"{state.width} × {state.height}, {state.source_fps:.3g}/s" if state.width else "–"
        rate = dashboard.live.frames_per_second(value.id) if ok else None
        rows.append(
            (
                value.name,
                status,
                say(f"system.state.{state.state.value}"),
                markup.ago(state.since, now),
                markup.ago(state.last_frame_at, now) if state.last_frame_at else "–",
                reading,
                "–" if rate is None else f"{rate:.2f}",
                str(findings.machine.queues.get(value.id, "–")),
                str(dashboard.live.drops(value.id)),
                str(state.reconnects),
                source,
            )
        )
    return markup.table([say(f"system.{name}") for name in head], rows)


def workers(heartbeats: list[Heartbeat]) -> str:
    """What each worker says of its machine and model."""
    found = [each for each in heartbeats if each.service is Service.WORKER]
    keys = [key for key in FACTS if any(key in each.facts for each in found)]
    rows = [(each.id, *(each.facts.get(key, "–") for key in keys)) for each in found]
    if not rows:
        return ""
    head = [say("system.process"), *(say(f"system.fact.{key}") for key in keys)]
    return markup.table(head, rows)


def model_card() -> str:
    return f"<p><a href='/model'>{escape(say('system.model_card'))}</a></p>"


def api_docs() -> str:
    return f"<p><a href='{DOCS_PATH}'>{escape(say('system.api'))}</a></p>"


def machine_table(machine: Machine) -> str:
    """Memory and disk, each as a row."""
    used, limit = size_words(machine.broker_used), size_words(machine.broker_limit or None)
    free, size = size_words(machine.disk_free), size_words(machine.disk_size)
    rows = [
        (say("system.broker_memory"), say("system.of", used=used, all=limit)),
        (say("system.memory_here"), size_words(machine.dashboard_memory)),
    ]
    if machine.disk_free is not None:
        rows.append((say("system.disk"), say("system.free", free=free, all=size)))
        rows.append((say("system.history_size"), size_words(machine.history_size)))
    return markup.table([say("system.machine"), ""], rows)


def notifications(tally: dict[str, int]) -> str:
    parts = [f"{number} {say(f'system.{outcome}')}" for outcome, number in tally.items()]
    return f"<p>{escape(' · '.join(parts))}</p>"


@st.fragment(run_every=2)
def show() -> None:
    findings = look(dashboard, current_viewer())
    heartbeats = findings.heartbeats
    capacity = capacity_sentence(heartbeats, dashboard.site.frames_per_second)
    sections = [
        ("services", services(heartbeats, findings.now) + api_docs()),
        ("cameras", cameras(findings)),
        ("capacity", f"<p>{escape(capacity)}</p>{workers(heartbeats)}{model_card()}"),
        ("machine", machine_table(findings.machine)),
        ("notifications", notifications(findings.notifications)),
    ]
    body = "".join(
        f"<section><h2>{escape(say(f'system.{name}'))}</h2>{content}</section>"
        for name, content in sections
    )
    st.html(markup.page(f"{problems(findings)}{body}", theme))


show()
