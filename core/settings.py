"""A site's settings: one pydantic model per section of the site YAML.

These models are the contract's single source: ``core.site_file`` validates against them and
``docs/site-file.md`` is generated from their descriptions, defaults and bounds. Durations are
seconds as float; in YAML they are written ``3s``, ``5m``, ``2h``, ``35d``, ``5y`` or as a number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator, model_validator

from core.access_settings import LOOPBACK_NAMES, AccessSettings, public_origin
from core.alert_settings import MQTT_CHANNEL as MQTT_CHANNEL
from core.alert_settings import AlertSettings as AlertSettings
from core.alert_settings import Channel as Channel
from core.alert_settings import MqttSettings as MqttSettings
from core.sections import Duration as Duration
from core.sections import Identifier as Identifier
from core.sections import Section as Section
from core.sections import parse_duration as parse_duration
from core.zone_settings import LEVEL_NAMES as LEVEL_NAMES
from core.zone_settings import Ground as Ground
from core.zone_settings import Levels as Levels
from core.zone_settings import Metres as Metres
from core.zone_settings import Zone as Zone

SOURCE_SCHEMES = ("rtsp", "rtsps", "http", "https")
MOST_STEPS, MOST_SAMPLES = 500, 32  # S and K that may be asked for

Pictures = Literal["full", "blurred", "none"]


class SiteInfo(Section):
    name: str = Field("Headcount", description="Name shown on the screen and in notifications.")
    timezone: str = Field("UTC", description="IANA time zone in which times are shown.")
    language: Literal["en", "ko"] = Field(
        "en", description="Language of the pages and notifications: English or Korean."
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is no IANA time zone, such as Asia/Seoul or Europe/Berlin")
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class BrokerSettings(Section):
    url: str | None = Field(
        None,
        description="Redis to use (redis://, rediss:// or unix://). Headcount starts one without.",
    )
    shards: int = Field(1, ge=1, le=64, description="Hash tags that cameras are spread over.")

    @field_validator("url")
    @classmethod
    def _redis_url(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("redis", "rediss", "unix"):
            raise ValueError("allowed are redis://, rediss:// and unix://")
        return value


class KeepSettings(Section):
    raw: Duration = Field(35 * 86400.0, description="How long every reading is kept.")
    minute: Duration = Field(90 * 86400.0, description="How long one-minute values are kept.")
    hour: Duration = Field(5 * 365 * 86400.0, description="How long one-hour values are kept.")
    audit: Duration = Field(
        5 * 365 * 86400.0, description="How long it is kept who signed in and who changed what."
    )


class HistorySettings(Section):
    url: str = Field(
        "sqlite:///history.db",
        description="SQLAlchemy URL, sqlite:/// or postgresql://; a relative path is beside the "
        "site file.",
    )
    keep: KeepSettings = KeepSettings()


class ModelSettings(Section):
    name: str = Field("tiny", description="Weights under models/weights, or a path to a file.")
    steps: int | None = Field(
        None, ge=1, le=MOST_STEPS, description="DDIM steps; by default what the model card says."
    )
    samples: int = Field(
        1, ge=1, le=MOST_SAMPLES, description="Samples of the diffusion per frame."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the model runs.")
    max_side: Annotated[int, Field(ge=128, le=4096)] | Literal["auto"] = Field(
        "auto",
        description="Longer side of the model's input in pixels; auto fits it to the machine.",
    )


class Play(Section):
    """How a recorded file is played."""

    repeat: bool = Field(True, description="Start again at the end.")
    pace: Literal["real", "fast"] = Field("real", description="In real time, or as fast as can be.")
    policy: Literal["newest", "every"] = Field(
        "newest", description="Newest frame wins, or every frame is counted."
    )


def source_kind(source: str) -> Literal["url", "file", "webcam"]:
    """What a camera's ``source`` is."""
    if "://" in source:
        return "url"
    return "webcam" if source.isdecimal() else "file"


class CameraSettings(Section):
    id: Identifier = Field(description="a-z, 0-9 and -, unique in the site.")
    name: str | None = Field(None, description="Shown on the screen; by default the id.")
    source: str = Field(
        description="rtsp(s):// or http(s):// URL, path of a file, or index of a webcam."
    )
    transport: Literal["tcp", "udp"] = Field("tcp", description="How RTSP carries the video.")
    fps: float = Field(1.0, gt=0, le=60, description="Frames counted per second.")
    age_limit: Duration = Field(3.0, gt=0, description="Older frames are dropped, not counted.")
    stall_timeout: Duration = Field(10.0, ge=1, description="No frame for so long is a stall.")
    fixed_view: bool = Field(
        True,
        description="Whether it always looks at the same place; false for one that turns or zooms.",
    )
    play: Play = Field(Play(), description="For files only.")
    privacy: Pictures | None = Field(
        None, description="What leaves the worker of its pictures; by default as the site says."
    )
    zones: list[Zone] = Field([], description="Without any, one zone `all`: the whole picture.")

    @field_validator("source", mode="before")
    @classmethod
    def _source_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("source")
    @classmethod
    def _allowed_source(cls, value: str) -> str:
        scheme = urlsplit(value).scheme if "://" in value else ""
        if scheme and scheme not in SOURCE_SCHEMES:
            allowed = ", ".join(f"{name}://" for name in SOURCE_SCHEMES)
            raise ValueError(
                f"scheme {scheme!r} is not allowed; allowed are {allowed}, a file or a webcam index"
            )
        if not value.strip():
            raise ValueError("must not be empty")
        return value

    @model_validator(mode="after")
    def _unique_zones(self) -> Self:
        if not self.zones:
            object.__setattr__(self, "zones", [Zone(id="all")])
        names = [zone.id for zone in self.zones]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"zone id {name!r} is used twice on camera {self.id!r}")
        return self

    @property
    def title(self) -> str:
        return self.name or self.id

    @property
    def kind(self) -> Literal["url", "file", "webcam"]:
        """What ``source`` is."""
        return source_kind(self.source)

    @property
    def must_count_every(self) -> bool:
        """Whether every frame is to be counted: recorded files with the policy `every`."""
        return self.kind == "file" and self.play.policy == "every"


class EvidenceSettings(Section):
    dir: str = Field(
        "evidence",
        min_length=1,
        description="Folder for pictures, crowd maps, heads and clips of incidents.",
    )


class DashboardSettings(Section):
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8501, ge=1, le=65535, description="Port of the dashboard and the API.")
    public_url: str | None = Field(
        None,
        description="Address that browsers know it by, such as https://cctv.example, where a proxy "
        "is in front of it.",
    )

    @field_validator("public_url")
    @classmethod
    def _origin(cls, value: str | None) -> str | None:
        return None if value is None else public_origin(value)


class PrivacySettings(Section):
    pictures: Pictures = Field(
        "full",
        description="What leaves the worker of a picture; a camera may say otherwise.",
    )
    keep_evidence: Duration = Field(
        30 * 86400.0, description="How long the evidence of an incident is kept."
    )


class Site(Section):
    """The whole site file. Its only mandatory key is ``cameras``."""

    site: SiteInfo = SiteInfo()
    broker: BrokerSettings = BrokerSettings()
    history: HistorySettings = HistorySettings()
    model: ModelSettings = ModelSettings()
    cameras: Annotated[list[CameraSettings], Field(min_length=1, max_length=64)]
    alerts: AlertSettings = AlertSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    dashboard: DashboardSettings = DashboardSettings()
    access: AccessSettings = AccessSettings()
    privacy: PrivacySettings = PrivacySettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [camera.id for camera in self.cameras]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"camera id {name!r} is used twice")
        for index, window in enumerate(self.alerts.maintenance):
            for camera_id in window.cameras:
                if camera_id not in names:
                    raise ValueError(
                        f"alerts.maintenance[{index}]: there is no camera {camera_id!r}"
                    )
        if self.access.login == "off" and self.dashboard.host not in LOOPBACK_NAMES:
            raise ValueError(
                f"dashboard.host {self.dashboard.host!r} is reachable from outside, so "
                "access.login must not be off"
            )
        return self

    def camera(self, camera_id: str) -> CameraSettings:
        """The camera with this id.

        Raises:
            KeyError: there is none.
        """
        for camera in self.cameras:
            if camera.id == camera_id:
                return camera
        raise KeyError(camera_id)

    def pictures_of(self, camera: CameraSettings) -> Pictures:
        """What leaves the worker of this camera's pictures."""
        return camera.privacy or self.privacy.pictures

    @property
    def frames_per_second(self) -> float:
        """Frames to count per second, over all cameras."""
        return sum(camera.fps for camera in self.cameras)


def resolved(site: Site, folder: Path) -> Site:
    """The site with relative paths made absolute, and each camera's own word on privacy.

    Args:
        folder: where the site file lies.
    """

    def camera(settings: CameraSettings) -> CameraSettings:
        update: dict[str, Any] = {"privacy": site.pictures_of(settings)}
        if settings.kind == "file":
            update["source"] = str((folder / settings.source).resolve())
        return settings.model_copy(update=update)

    history = site.history
    prefix = "sqlite:///"
    if history.url.startswith(prefix) and not history.url.startswith(prefix + "/"):
        path = (folder / history.url.removeprefix(prefix)).resolve()
        history = history.model_copy(update={"url": prefix + str(path)})
    evidence = EvidenceSettings(dir=str((folder / site.evidence.dir).resolve()))
    return site.model_copy(
        update={
            "cameras": [camera(settings) for settings in site.cameras],
            "history": history,
            "evidence": evidence,
        }
    )
