"""The cameras on the set-up page: the list, a new one, and one under edit."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

import streamlit as st

from core.broker import BrokerError
from core.camera_id import suggested_id
from core.messages import Reply
from core.redaction import redact
from core.settings import CameraSettings
from core.site_edit import SiteDraft
from dashboard import markup
from dashboard.running import Dashboard, running
from dashboard.setup import SetupError, edit, probe
from dashboard.setup_component import picture_of, zone_editor
from dashboard.setup_messages import REFUSALS, attempt, show_messages, tell, why_refused
from dashboard.setup_zones import aspect_of, check, drafts, write_zones
from dashboard.text import say
from dashboard.viewer import current_viewer, require_admin

TRANSPORTS = ("tcp", "udp")


def show_list(dashboard: Dashboard) -> None:
    """Every camera with what a click may change."""
    st.html(markup.page(f"<h2>{escape(say('setup.cameras'))}</h2>", _theme()))
    for camera in dashboard.loaded.written.cameras:
        value = dashboard.live.status(camera.id)
        words = say("system.ok") if value.ok else say(f"reason.{value.reason or 'null'}")
        chip = markup.chip("normal" if value.ok else "unknown", words, small=True)
        zones = ", ".join(zone.title for zone in camera.zones)
        facts = [camera.id, redact(camera.source), say("setup.zone_names", names=zones)]
        with st.container(
            border=True, horizontal=True, vertical_alignment="center", key=f"camera-{camera.id}"
        ):
            text = f"<h3>{escape(camera.title)} {chip}</h3>"
            text += f"<p class='quiet'>{escape(' · '.join(facts))}</p>"
            st.html(markup.page(text, _theme()))
            st.button(say("setup.edit"), key=f"edit-{camera.id}", on_click=_open, args=(camera.id,))


def show_add(dashboard: Dashboard) -> None:
    """Try a source, look at it, add it."""
    with st.expander(say("setup.add"), icon=":material/add_a_photo:"):
        source = st.text_input(say("setup.source"), key="new source", help=say("setup.source_help"))
        source = source.strip()
        transport = st.radio(
            say("setup.transport"), TRANSPORTS, horizontal=True, key="new transport"
        )
        if st.button(say("setup.test"), disabled=not source):
            st.session_state["probed"] = (source, _probed(dashboard, source, transport))
        tried, found = st.session_state.get("probed", ("", None))
        if not source or tried != source or found is None:
            return
        _show_probed(dashboard, found)
        taken = [camera.id for camera in dashboard.site.cameras]
        left, middle, right = st.columns(3)
        left.text_input(
            say("setup.id"),
            value=suggested_id(source, taken),
            key=f"new id {source}",
            help=say("setup.id_help"),
        )
        middle.text_input(say("setup.name"), key=f"new name {source}")
        right.number_input(
            say("setup.fps"), min_value=0.1, max_value=60.0, value=1.0, key=f"new fps {source}"
        )
        st.button(
            say("setup.add_it"), type="primary", on_click=_add, args=(dashboard, source, transport)
        )


def _probed(dashboard: Dashboard, source: str, transport: str) -> Reply | str:
    """What ingest says of a source, or why it cannot be asked."""
    with st.spinner(say("setup.testing")):
        try:
            return probe(dashboard, source, transport)
        except SetupError as error:
            return str(error)
        except (TimeoutError, BrokerError) as error:
            return say("setup.no_answer", why=str(error))


def _show_probed(dashboard: Dashboard, found: Reply | str) -> None:
    if isinstance(found, str) or not found.ok:
        st.error(say("setup.fails", why=found if isinstance(found, str) else found.error))
        return
    facts = found.result
    st.success(
        say(
            "setup.works",
            codec=facts["codec"],
            width=facts["width"],
            height=facts["height"],
            fps=f"{facts['fps']:.3g}",
            seconds=f"{facts['seconds_to_first_frame']:.1f}",
        )
    )
    if dashboard.site.privacy.pictures != "full":
        st.caption(say("setup.snapshot_hidden"))
    elif found.payload:
        picture = base64.b64encode(found.payload).decode()
        st.html(
            f"<img alt='{escape(say('setup.snapshot'))}' class='snapshot' "
            f"style='max-width:100%;max-height:60vh;border-radius:10px' "
            f"src='data:image/jpeg;base64,{picture}'>"
        )


def _add(dashboard: Dashboard, source: str, transport: str) -> None:
    state = st.session_state
    camera = state[f"new id {source}"].strip()
    values: dict[str, Any] = {
        "name": state[f"new name {source}"].strip() or None,
        "transport": transport,
        "fps": state[f"new fps {source}"],
    }
    with attempt():
        applied = edit(
            dashboard,
            current_viewer(),
            f"camera {camera}",
            lambda draft: draft.add_camera(camera, source, **values),
        )
        tell(say("setup.added", camera=values["name"] or camera), applied)
        state["new source"] = ""
        st.query_params["camera"] = camera


def show_one(dashboard: Dashboard, camera: CameraSettings) -> None:
    """A camera's own settings, and its zones on its picture."""
    with st.container(horizontal=True, vertical_alignment="center"):
        back()
        st.html(markup.page(f"<h3>{escape(camera.title)}</h3>", _theme()))
    _show_settings(dashboard, camera)
    _show_zones(camera.id)


def back() -> None:
    """The way back to the list."""
    st.button(say("setup.back"), icon=":material/arrow_back:", on_click=_open, args=(None,))


def _show_settings(dashboard: Dashboard, camera: CameraSettings) -> None:
    written = dashboard.loaded.written.camera(camera.id)
    with st.expander(say("setup.camera"), icon=":material/settings_video_camera:"):
        with st.form(f"settings {camera.id}", border=False):
            name = st.text_input(say("setup.name"), value=camera.name or "", placeholder=camera.id)
            shown = redact(written.source)
            hidden = say("setup.source_hidden") if shown != written.source else None
            source = st.text_input(say("setup.source"), value=shown, help=hidden)
            left, right = st.columns(2)
            transport = left.radio(
                say("setup.transport"),
                TRANSPORTS,
                index=TRANSPORTS.index(camera.transport),
                horizontal=True,
            )
            fps = right.number_input(
                say("setup.fps"), min_value=0.1, max_value=60.0, value=float(camera.fps)
            )
            if st.form_submit_button(say("setup.save"), type="primary"):
                values: dict[str, Any] = {
                    "name": name.strip() or None,
                    "transport": transport,
                    "fps": fps,
                }
                if source.strip() != shown:
                    values["source"] = source.strip()
                _change(dashboard, camera.id, values)
        if len(dashboard.site.cameras) == 1:
            st.caption(say("setup.last_camera"))
            return
        with st.popover(say("setup.remove"), icon=":material/delete:"):
            st.button(
                say("setup.remove_sure", camera=camera.title),
                on_click=_remove,
                args=(dashboard, camera),
            )


def _change(dashboard: Dashboard, camera_id: str, values: dict[str, Any]) -> None:
    with attempt():
        applied = edit(
            dashboard,
            current_viewer(),
            f"camera {camera_id}",
            lambda draft: draft.change_camera(camera_id, **values),
        )
        tell(say("setup.saved"), applied)
    st.rerun()


def _remove(dashboard: Dashboard, camera: CameraSettings) -> None:
    with attempt():
        applied = edit(
            dashboard,
            current_viewer(),
            f"camera {camera.id}",
            lambda draft: draft.remove_camera(camera.id),
        )
        tell(say("setup.removed", camera=camera.title), applied)
        _open(None)


def _open(camera_id: str | None) -> None:
    if camera_id is None:
        st.query_params.pop("camera", None)
    else:
        st.query_params["camera"] = camera_id


@st.fragment
def _show_zones(camera_id: str) -> None:
    """The editor; a fragment, since it asks at each change what the server makes of it.

    It runs without the page around it, so it asks by itself who is looking.
    """
    require_admin()
    dashboard = running()
    show_messages()
    try:
        camera = dashboard.site.camera(camera_id)
    except KeyError:  # somebody removed it while it was open here
        st.warning(say("setup.gone", camera=camera_id))
        return
    key = f"draw-{camera_id}"
    draft = st.session_state.get(key, {}).get("draft")
    has_background = dashboard.overlays.stills.jpeg(camera_id) is not None
    shown = "full" if has_background else dashboard.site.pictures_of(camera)
    picture, note = picture_of(camera_id, shown)
    found = None
    if draft is not None:
        with attempt():
            found = check(dashboard, camera, draft)
    zone_editor(
        key,
        {
            "camera": camera_id,
            "version": dashboard.loaded.version,
            "zones": drafts(camera),
            "aspect": aspect_of(dashboard, camera_id),
            "picture": picture,
            "picture_note": note,
            "check": found,
            "saved": st.session_state.get(f"saved {key}"),
        },
        lambda: _save(camera_id, key),
    )


def _save(camera_id: str, key: str) -> None:
    asked = st.session_state[key].get("save")
    if not asked:
        return
    dashboard = running()
    before = st.session_state.get(f"saved {key}", {"n": 0})
    saved: dict[str, Any] = {"n": before["n"] + 1, "failed": False, "text": say("setup.saved")}

    def write(draft: SiteDraft) -> None:
        write_zones(draft, dashboard.site.camera(camera_id), asked["zones"])

    try:
        applied = edit(dashboard, current_viewer(), f"zones of camera {camera_id}", write)
        saved["text"] = " ".join([saved["text"], *applied.remarks])
    except REFUSALS as error:
        saved |= {"failed": True, "text": "\n".join(why_refused(error))}
    st.session_state[f"saved {key}"] = saved


def _theme() -> str:
    return st.context.theme.type or "dark"
