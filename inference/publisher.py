"""Publishes what was counted: readings, and pictures after privacy was applied."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import redis
from numpy.typing import NDArray

from core.clock import Clock
from core.messages import (
    PICTURES_KEPT_S,
    READINGS_BYTES,
    READINGS_KEPT,
    READINGS_KEPT_AT_LEAST,
    WORKERS_GROUP,
    Frame,
    Keys,
    Message,
    Picture,
    Reading,
)
from core.settings import Pictures
from inference.crowd_map import as_png
from inference.privacy import published_jpeg
from inference.recorded_queue import PUBLISH_ONCE
from inference.result_item import rounded_heads

if TYPE_CHECKING:
    from models.counter import CrowdReading

ENTRY_BYTES = 200  # of an entry, beside its values
PICTURES_GONE_S = 60  # a camera without new frames leaves no picture behind in the broker


@dataclass(frozen=True)
class CountedFrame:
    """A frame, its decoded picture (H, W, 3) BGR and what the model said of it."""

    frame: Frame
    picture: NDArray[np.uint8]
    result: CrowdReading
    entry: bytes | None = None  # to acknowledge, for frames that must be counted
    max_side: int = 0  # longest side at which it was counted, pixels


@dataclass(frozen=True)
class ModelIdentity:
    """What counts, and how: enough to count a picture again with the same result."""

    name: str
    weights_hash: str
    steps: int = 0
    samples: int = 1


def fields_of(message: Message) -> dict[Any, Any]:
    """The message's fields, typed as ``redis.Redis.xadd`` wants them."""
    return dict(message.to_fields())


class Publisher:
    """Writes to the readings and pictures streams.

    Args:
        pictures: what may leave of each camera's pictures; nothing of a camera that is not named.
        worker: id of this worker.
    """

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        clock: Clock,
        *,
        model: ModelIdentity,
        worker: str,
        pictures: Mapping[str, Pictures],
    ) -> None:
        self._client = client
        self._keys = keys
        self._clock = clock
        self._model = model
        self._worker = worker
        self._pictures = pictures
        self._cleared: set[str] = set()  # cameras whose earlier, clearer pictures are gone
        self._reading_bytes = 0.0  # of an entry, averaged over the last hundred or so
        self._publish_once = client.register_script(PUBLISH_ONCE)

    def publish(
        self, counted: Sequence[CountedFrame], is_in_time: Callable[[Frame, int], bool]
    ) -> list[CountedFrame]:
        """Publish a batch in one round trip; the reading of a must-count frame exactly once.

        Args:
            is_in_time: whether a live frame may be published at an instant, ms UTC: a worker may
                have been stopped while it counted it.

        Returns:
            What was published.

        Raises:
            redis.RedisError: the broker is away or takes no more.
        """
        pipeline = self._client.pipeline(transaction=False)
        published = []
        for item in counted:
            reading = self.reading(item)
            fields = self._fields(reading)
            if item.entry is not None:
                if not self._published_once(item, item.entry, fields):
                    continue
            elif is_in_time(item.frame, reading.published_at):
                pipeline.xadd(
                    self._readings_of(item), fields, maxlen=self.readings_kept, approximate=True
                )
            else:
                continue
            self._add_picture(pipeline, item)
            published.append(item)
        if len(pipeline):
            pipeline.execute()
        cameras = {item.frame.camera for item in published}
        self._cleared |= {camera for camera in cameras if self._allowed(camera) != "full"}
        return published

    @property
    def readings_kept(self) -> int:
        """Readings to keep per shard: their entries are as large as their crowds are dense."""
        most = READINGS_BYTES / self._keys.shards / max(1.0, self._reading_bytes)
        return max(READINGS_KEPT_AT_LEAST, min(READINGS_KEPT, int(most)))

    def _fields(self, reading: Reading) -> dict[Any, Any]:
        """A reading's entry."""
        fields = fields_of(reading)
        size = ENTRY_BYTES + sum(len(value) for value in fields.values())
        share = 0.01 if self._reading_bytes else 1.0
        self._reading_bytes += share * (size - self._reading_bytes)
        return fields

    def reading(self, item: CountedFrame) -> Reading:
        """The reading of a counted frame: places as fractions, weights that sum to the count."""
        height, width = item.picture.shape[:2]
        places = np.asarray(item.result.heads, dtype=np.float64).reshape(-1, 3)
        places = places / np.array([width, height, 1.0])
        heads = rounded_heads(places.astype(np.float32), 5)
        count = math.fsum(weight for _, _, weight in heads)
        crowd_map, peak = as_png(item.result.crowd_map)
        frame = item.frame
        return Reading(
            camera=frame.camera,
            seq=frame.seq,
            captured_at=frame.captured_at,
            published_at=self._clock.now_ms(),
            position_s=frame.position_s,
            count=count,
            low=max(0.0, min(item.result.low, count)),
            high=max(item.result.high, count),
            interval=list(item.result.interval),
            heads=heads,
            width=width,
            height=height,
            model=self._model.name,
            model_hash=self._model.weights_hash,
            max_side=item.max_side,
            steps=self._model.steps,
            samples=self._model.samples,
            inference_ms=item.result.ms,
            worker=self._worker,
            crowd_map=crowd_map,
            crowd_map_peak=peak,
        )

    def _readings_of(self, item: CountedFrame) -> str:
        return self._keys.readings(self._keys.shard(item.frame.camera))

    def _published_once(self, item: CountedFrame, entry: bytes, fields: dict[Any, Any]) -> bool:
        """Publish a must-count frame's reading, unless somebody has done it."""
        stream = self._keys.frames(item.frame.camera)
        parts = [part for pair in fields.items() for part in pair]
        return bool(
            self._publish_once(
                keys=[stream, f"{stream}:counted", self._readings_of(item)],
                args=[WORKERS_GROUP, entry, item.frame.seq, self.readings_kept, *parts],
            )
        )

    def _allowed(self, camera: str) -> Pictures:
        return self._pictures.get(camera, "none")

    def _add_picture(self, pipeline: redis.client.Pipeline, item: CountedFrame) -> None:
        frame = item.frame
        allowed = self._allowed(frame.camera)
        if allowed != "full" and frame.camera not in self._cleared:
            pipeline.unlink(self._keys.pictures(frame.camera))
        jpeg = published_jpeg(frame.jpeg, item.picture, allowed)
        if jpeg is None:
            return
        picture = Picture(
            camera=frame.camera, seq=frame.seq, captured_at=frame.captured_at, jpeg=jpeg
        )
        oldest = self._clock.now_ms() - int(PICTURES_KEPT_S * 1000)
        pipeline.xadd(
            self._keys.pictures(frame.camera),
            fields_of(picture),
            minid=str(oldest),
            approximate=False,
        )
        pipeline.expire(self._keys.pictures(frame.camera), PICTURES_GONE_S)
