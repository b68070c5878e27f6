"""Every message that travels over Redis Streams, with each field documented.

On the wire an entry has three kinds of fields: ``v`` (the version of this file's format),
``json`` (all the plain fields of the message as one JSON object) and one field per binary value
(a JPEG, a PNG), stored as raw bytes. Nothing is ever pickled. Readers ignore fields that they do
not know, so a newer writer can add one without breaking an older reader.

Conventions: instants are integer milliseconds UTC on the broker's clock (``core.clock``); positions
in a picture are fractions of its width and height, origin at the top left; durations carry their
unit in the name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Self
from zlib import crc32

from pydantic import BaseModel, ConfigDict, ValidationError

WIRE_VERSION = 1


class MessageError(ValueError):
    """An entry of a stream is not a message that this version can read."""


class Message(BaseModel):
    """A stream entry: plain fields as JSON, the fields named in ``binary`` as raw bytes."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    binary: ClassVar[frozenset[str]] = frozenset()

    def to_fields(self) -> dict[Any, Any]:
        """The entry's fields, text to bytes (typed as loosely as ``redis.Redis.xadd`` wants it)."""
        fields: dict[str, bytes] = {
            "v": str(WIRE_VERSION).encode(),
            "json": self.model_dump_json(exclude=set(self.binary)).encode(),
        }
        for name in sorted(self.binary):
            value = getattr(self, name)
            if value is not None:
                fields[name] = value
        return fields

    @classmethod
    def from_fields(cls, fields: Mapping[bytes, bytes]) -> Self:
        """The message in an entry's fields, as ``redis.Redis.xread`` returns them.

        Raises:
            MessageError: the version is unknown, or a field is missing or malformed.
        """
        version = fields.get(b"v", b"")
        if version != str(WIRE_VERSION).encode():
            raise MessageError(f"{cls.__name__}: wire version {version!r}, expected {WIRE_VERSION}")
        binary = {name: fields[name.encode()] for name in cls.binary if name.encode() in fields}
        try:
            return cls.model_validate({**json.loads(fields[b"json"]), **binary})
        except KeyError:
            raise MessageError(f"{cls.__name__}: the entry has no field 'json'") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise MessageError(f"{cls.__name__}: {place}: {first['msg']}") from None
        except (ValueError, TypeError) as error:
            raise MessageError(f"{cls.__name__}: not readable as JSON: {error}") from None


class Reason(StrEnum):
    """Why a camera's status is unknown (the closed list; ``core.status`` chooses)."""

    STARTING = "starting"
    CONNECTING = "connecting"
    OFFLINE = "offline"
    STALLED = "stalled"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNAUTHORISED = "unauthorised"
    NOT_FOUND = "not found"
    NO_VIDEO = "no video"
    DECODE_ERRORS = "decode errors"
    FROZEN = "frozen"
    COVERED = "covered"
    MOVED = "moved"
    NO_WORKER = "no worker"
    OVERLOADED = "overloaded"
    NO_INGEST = "no ingest"
    NO_BROKER = "no broker"
    ENDED = "ended"


class CameraState(StrEnum):
    """What ingest knows of a camera."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    OFFLINE = "offline"
    ENDED = "ended"  # a file played once has reached its end


class Service(StrEnum):
    """The services of a site; each runs in a process of its own."""

    INGEST = "ingest"
    WORKER = "worker"
    ALERTS = "alerts"
    DASHBOARD = "dashboard"


class Frame(Message):
    """One picture of a camera, on its way to a worker (stream ``frames``, one per camera)."""

    binary: ClassVar[frozenset[str]] = frozenset({"jpeg"})

    camera: str
    seq: int  # grows by one per frame captured; a gap is a drop. Starts at captured_at of the
    # process's first frame, so that it grows across restarts too
    captured_at: int  # ms UTC
    position_s: float | None = None  # place in a recorded file, seconds from its start
    must_count: bool = False  # policy `every`: acknowledged only when its reading is published
    width: int  # of the source picture, pixels, before it was sized for the model
    height: int
    jpeg: bytes


class Reading(Message):
    """What one frame says (stream ``readings``). The weights of ``heads`` sum to ``count``."""

    binary: ClassVar[frozenset[str]] = frozenset({"crowd_map"})

    camera: str
    seq: int
    captured_at: int  # ms UTC, of the frame
    published_at: int  # ms UTC
    position_s: float | None = None  # as in the frame
    count: float  # people
    low: float  # 90 % interval, people
    high: float
    # The interval as a function of a count, for zones: how far the truth lies below and above so
    # many people, as (people, below, above), rising; interpolated in between.
    interval: list[tuple[float, float, float]] = []
    heads: list[tuple[float, float, float]]  # x, y (fractions of the picture), weight (people)
    width: int  # of the picture that was counted, pixels
    height: int
    model: str  # name of the weights
    model_hash: str  # first 12 hex digits of the weights' sha256
    max_side: int = 0  # longest side at which it was counted, pixels; 0: of an older worker
    steps: int = 0  # of the diffusion; 0: of an older worker
    samples: int = 1  # of the diffusion
    inference_ms: float  # the model's own time for this frame
    worker: str  # id of the worker
    crowd_map: bytes | None = None  # greyscale PNG, at most 160 px wide; 255 is `crowd_map_peak`
    crowd_map_peak: float = 0.0  # people per pixel of the small map at grey value 255


class Picture(Message):
    """A camera's picture after privacy was applied (stream ``pictures``, one per camera, 10 s)."""

    binary: ClassVar[frozenset[str]] = frozenset({"jpeg"})

    camera: str
    seq: int  # of the frame and of its reading
    captured_at: int
    jpeg: bytes


class State(Message):
    """A camera's state as ingest sees it (stream ``states``, on change and every 2 s)."""

    camera: str
    at: int  # ms UTC, when this message was made
    state: CameraState
    reason: Reason | None = None
    detail: str = ""  # one sentence for an operator, credentials redacted
    warning: str = ""  # one sentence: the picture is worse than it was, and still counted
    since: int  # ms UTC, when the camera entered this state
    last_frame_at: int | None = None
    reconnects: int = 0  # since the process started
    frames: int = 0  # captured since the process started
    drops: int = 0  # captured but never handed to a worker, since the process started
    width: int = 0
    height: int = 0
    source_fps: float = 0.0


class Heartbeat(Message):
    """A sign of life of one process (stream ``heartbeats``, every 2 s, gone after 6 s)."""

    service: Service
    id: str  # unique for the process: HOST-PID-TOKEN
    at: int  # ms UTC
    started_at: int
    version: str  # of Headcount
    config_version: str  # first 12 hex digits of the applied configuration's sha256
    clock_offset_ms: int = 0  # the broker's clock minus this machine's
    loop_age_s: float = 0.0  # since the slowest loop of the service came round; it should not stand
    counters: dict[str, float] = {}  # Prometheus name (with labels) to value
    facts: dict[str, str] = {}  # plain facts for the System page: device, model, max_side ...

    @property
    def process(self) -> tuple[str, int] | None:
        """The machine (or container) and the process id that the id names, as HOST-PID-TOKEN."""
        host, _, pid = self.id.rpartition("-")[0].rpartition("-")
        return (host, int(pid)) if pid.isdecimal() else None


class Command(Message):
    """A request to a service (stream ``commands``, one per service), answered by a `Reply`."""

    binary: ClassVar[frozenset[str]] = frozenset({"payload"})

    id: str  # unique; the reply waits under this id
    kind: str  # probe (ingest) | count (worker) | reload (every service)
    arguments: dict[str, str] = {}
    payload: bytes | None = None  # count: the picture


class Reply(Message):
    """The answer to a `Command`, pushed to the list ``replies:ID``, which expires after 60 s."""

    binary: ClassVar[frozenset[str]] = frozenset({"payload"})

    id: str
    ok: bool
    error: str = ""  # one clear sentence when not ok
    result: dict[str, Any] = {}
    payload: bytes | None = None  # probe: a snapshot (JPEG)


HEARTBEAT_EVERY_S = 2.0
HEARTBEAT_GONE_S = 6.0
LOOP_LIMIT_S = 45.0  # a loop's longest honest wait, for a locked database; then it stands still
FRAMES_KEPT = 2  # live frames per camera: newest wins, so a short queue
EVERY_FRAMES_KEPT = 64  # policy `every`: ingest waits while so many are not yet counted
FRAMES_GONE_S = 60  # a camera without new frames leaves no raw picture behind in the broker
EVERY_FRAMES_GONE_S = 24 * 3600  # of a recording, whose frames may wait so long for a worker
READINGS_KEPT = 20_000  # per shard, and no more than fit into their share of the broker's memory:
READINGS_BYTES = 192 * 2**20  # of all shards; a reading of a dense crowd has 40 KB
READINGS_KEPT_AT_LEAST = 500
PICTURES_KEPT_S = 10.0
STATES_KEPT = 2_000  # per shard
HEARTBEATS_KEPT = 2_000
COMMANDS_KEPT = 100  # per service

WORKERS_GROUP = "workers"  # consumer group of the inference workers on each frames stream
ALERTS_GROUP = "alerts"  # consumer group of the alerts service on each readings stream


class Keys:
    """Names of the keys in Redis. Keys of one shard share a hash tag (Redis Cluster).

    Args:
        shards: ``broker.shards`` of the site; a camera's shard is crc32(id) mod shards.
    """

    def __init__(self, shards: int = 1) -> None:
        self.shards = shards

    def shard(self, camera: str) -> int:
        return crc32(camera.encode()) % self.shards

    def frames(self, camera: str) -> str:
        return f"headcount:{{{self.shard(camera)}}}:frames:{camera}"

    def pictures(self, camera: str) -> str:
        return f"headcount:{{{self.shard(camera)}}}:pictures:{camera}"

    def readings(self, shard: int) -> str:
        return f"headcount:{{{shard}}}:readings"

    def states(self, shard: int) -> str:
        return f"headcount:{{{shard}}}:states"

    def heartbeats(self) -> str:
        return "headcount:heartbeats"

    def commands(self, service: Service) -> str:
        return f"headcount:commands:{service}"

    def replies(self, command_id: str) -> str:
        return f"headcount:replies:{command_id}"
