from __future__ import annotations

import pytest
import yaml

from core.site_secrets import SecretUnknownError, with_secrets, without_secrets

SITE = """\
broker: {url: rediss://:topsecret@redis.local/0}
cameras:
  - id: gate           # was rtsp://root:toor@192.0.2.9/live
    source: rtsp://viewer:hunter2@192.0.2.1/live   # the new one
  - id: hall
    source: rtsp://viewer:${HALL_PASSWORD}@192.0.2.2/live?token=${TOKEN}
  - id: yard
    source: http://192.0.2.3/video?token=abcdef123
alerts:
  channels:
    - {name: room, url: slack://T1/B2/secret, min_level: watch}
    - {name: chief, url: "slack://T1/B2/other"}
    - {name: mail, url: "${MAIL_URL}"}
"""
SECRETS = ("topsecret", "toor", "hunter2", "abcdef123", "B2/secret", "other")


def test_no_secret_is_kept_and_the_rest_stays() -> None:
    text = without_secrets(SITE)

    assert not [secret for secret in SECRETS if secret in text]
    assert "rtsp://viewer:${HALL_PASSWORD}@192.0.2.2/live?token=${TOKEN}" in text
    assert '"${MAIL_URL}"' in text
    assert "# the new one" in text
    assert yaml.safe_load(text)["alerts"]["channels"][0]["min_level"] == "watch"
    assert without_secrets(text) == text


def test_secrets_come_back_from_the_file_as_it_is_now() -> None:
    old = without_secrets(SITE.replace("id: hall", "id: hall\n    name: Old name"))

    text = yaml.safe_load(with_secrets(old, SITE))

    now = yaml.safe_load(SITE)
    assert text["cameras"][0] == now["cameras"][0]
    assert text["cameras"][1]["name"] == "Old name"
    assert text["alerts"] == now["alerts"]
    assert text["broker"] == now["broker"]


def test_a_secret_that_is_nowhere_is_asked_for() -> None:
    now = SITE.replace("192.0.2.1/live", "192.0.2.99/live").replace("name: chief", "name: boss")

    with pytest.raises(SecretUnknownError) as caught:
        with_secrets(without_secrets(SITE), now)

    assert "cameras / gate / source, alerts / channels / chief / url" in str(caught.value)
