"""Whom to tell of incidents, and how: the section ``alerts`` of the site file."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from core.sections import Duration, Identifier, Section
from core.week_settings import Maintenance


class Channel(Section):
    name: Identifier = Field(description="Name of the channel.")
    url: str = Field(description="Apprise URL, such as json://host/path, mailto://, slack://.")
    min_level: Literal["watch", "warning", "critical"] = Field(
        "warning", description="Lowest level that is sent."
    )
    cooldown: Duration = Field(300.0, description="Quiet time per zone and level after a delivery.")
    snapshot: bool = Field(
        True, description="Attach the incident's picture where the channel and privacy allow it."
    )


MQTT_CHANNEL = "mqtt"


class MqttSettings(Section):
    """Values and notices over MQTT, with Home Assistant's discovery."""

    url: str = Field(description="mqtt://user:password@host:1883, or mqtts:// for TLS.")
    topic: str = Field(
        "headcount",
        pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$",
        description="Topics start with it; two sites on one MQTT broker need two.",
    )
    discovery_prefix: str | None = Field(
        "homeassistant",
        pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$",
        description="Home Assistant's discovery prefix; null announces nothing.",
    )
    min_level: Literal["watch", "warning", "critical"] = Field(
        "watch", description="Lowest level of the notices that are published."
    )
    cooldown: Duration = Field(0.0, description="As of a channel, for the notices.")

    @field_validator("url")
    @classmethod
    def _mqtt_url(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            _ = parts.port  # raises ValueError when it is no number
        except ValueError:
            raise ValueError("not a URL such as mqtt://user:password@host:1883") from None
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ValueError("allowed are mqtt://host:port and mqtts://host:port")
        return value


class ReminderSettings(Section):
    """What happens while nobody acknowledges an incident."""

    after: Duration = Field(
        600.0,
        description="Open and not acknowledged for so long after a notice, its channels are "
        "reminded; 0s never.",
    )
    at_most: int = Field(3, ge=1, le=100, description="Reminders per level of an incident.")
    channel: str | None = Field(
        None, description="A second channel, told from the second reminder on, whatever its level."
    )


class AlertSettings(Section):
    heartbeat: str | None = Field(
        None, description="URL called each minute while all is well (dead-man's switch)."
    )
    channels: list[Channel] = Field([], description="Where notifications go.")
    mqtt: MqttSettings | None = Field(None, description="Values and notices over MQTT.")
    maintenance: list[Maintenance] = Field(
        [], description="Times in which nothing is raised and nobody is told."
    )
    reminder: ReminderSettings = Field(
        ReminderSettings(), description="While nobody acknowledges an incident."
    )

    @model_validator(mode="after")
    def _consistent_channels(self) -> Self:
        names = [channel.name for channel in self.receivers]
        for name in names:
            if names.count(name) > 1:
                mqtt = "; `alerts.mqtt` is one too" if name == MQTT_CHANNEL and self.mqtt else ""
                raise ValueError(f"channel name {name!r} is used twice{mqtt}")
        second = self.reminder.channel
        if second is not None and second not in names:
            known = ", ".join(names) or "none is configured"
            raise ValueError(f"reminder.channel {second!r} is no channel; there are: {known}")
        return self

    @property
    def receivers(self) -> list[Channel]:
        """All that notices go to: the channels, and MQTT as one more."""
        if self.mqtt is None:
            return self.channels
        mqtt = Channel(
            name=MQTT_CHANNEL,
            url=self.mqtt.url,
            min_level=self.mqtt.min_level,
            cooldown=self.mqtt.cooldown,
            snapshot=False,
        )
        return [*self.channels, mqtt]
