"""What the weights in use can do, and a trial with a picture of one's own."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.messages import Service
from dashboard import component, markup, model_card
from dashboard.running import running
from dashboard.text import say
from dashboard.viewer import current_viewer

dashboard = running()
theme = st.context.theme.type or "dark"
workers = [beat for beat in dashboard.live.heartbeats() if beat.service is Service.WORKER]
facts = workers[0].facts if workers else {}
name = facts.get("model", dashboard.site.model.name)

st.subheader(say("model.weights"), anchor=False)
if facts:
    shown = [f"**{name}**", facts.get("weights_hash", ""), facts.get("device", "")]
    shown.append(f"S = {facts['steps']}" if "steps" in facts else "")
    st.markdown(" · ".join(part for part in shown if part))
else:
    st.markdown(say("model.no_worker"))

if current_viewer().may_acknowledge:
    st.subheader(say("model.try"), anchor=False)
    component.trial()

st.subheader(say("model.accuracy"), anchor=False)
report = model_card.accuracy(name)
missing = f"<p>{escape(say('model.accuracy_missing', name=name))}</p>"
st.html(markup.page(f"<div class='document'>{report or missing}</div>", theme))
card = model_card.card(name)
if card is not None:
    with st.expander(say("model.card")):
        st.html(markup.page(f"<div class='document'>{card}</div>", theme))
