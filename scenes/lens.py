"""What a cheap camera does to a scene: colour, blur, vignette, exposure, noise, compression."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from scenes.solids import Bytes


@dataclass(frozen=True)
class Lens:
    """``cast`` multiplies BGR; ``blur`` is a deviation in pixels; ``noise`` one in grey levels."""

    exposure: float = 1.0
    contrast: float = 1.0
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    haze: float = 0.0
    blur: float = 0.6
    vignette: float = 0.2
    noise: float = 3.0
    jpeg: int | None = 85
    saturation: float = 1.0
    _curve: dict[str, NDArray[np.uint8]] = field(default_factory=dict, compare=False, repr=False)

    def curves(self) -> NDArray[np.uint8]:
        """The tone curve of each channel (1, 256, 3), with a soft shoulder for highlights."""
        if "table" not in self._curve:
            x = np.arange(256)[:, None] / 255 * self.exposure * np.array(self.cast)
            x = x * (1 - self.haze) + self.haze * 0.72
            x = (x - 0.45) * self.contrast + 0.45
            x = np.where(x > 0.75, 0.75 + 0.25 * np.tanh((x - 0.75) / 0.25), x)
            self._curve["table"] = np.clip(x * 255, 0, 255).astype(np.uint8)[None]
        return self._curve["table"]


@lru_cache(maxsize=8)
def _falloff(height: int, width: int, strength: float) -> Bytes:
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    tone = 1 - strength * np.clip((x * x + y * y) / 2, 0, 1) ** 1.3
    return np.asarray(cv2.merge([(tone * 255).astype(np.uint8)] * 3), np.uint8)


@lru_cache(maxsize=1)
def _noise_bank() -> NDArray[np.int8]:
    """Sensor noise of deviation 16 (1280, 1536, 3), slightly blurred as by demosaicing."""
    rng = np.random.default_rng(20240611)
    grey = rng.standard_normal((1280, 1536, 1), dtype=np.float32)
    colour = rng.standard_normal((1280, 1536, 3), dtype=np.float32) * 0.6
    mixed = cv2.GaussianBlur(grey + colour, (0, 0), 0.55)
    mixed = np.asarray(mixed, np.float32)
    return np.asarray(np.clip(mixed * (16 / mixed.std()), -127, 127), np.int8)


def noise_tile(rng: np.random.Generator, height: int, width: int) -> NDArray[np.int8]:
    """A piece of noise of deviation 16, (height, width, 3), a random cut of a fixed bank."""
    bank = _noise_bank()
    if height > bank.shape[0] or width > bank.shape[1]:
        bank = np.tile(bank, (-(-height // bank.shape[0]), -(-width // bank.shape[1]), 1))
    y = int(rng.integers(bank.shape[0] - height + 1))
    x = int(rng.integers(bank.shape[1] - width + 1))
    return bank[y : y + height, x : x + width]


def photograph(image: Bytes, lens: Lens, rng: np.random.Generator) -> Bytes:
    """The picture (H, W, 3) as the camera would deliver it."""
    height, width = image.shape[:2]
    if lens.blur > 0.25:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), lens.blur), np.uint8)
    if lens.vignette > 0.01:
        image = np.asarray(
            cv2.multiply(image, _falloff(height, width, round(lens.vignette, 2)), scale=1 / 255),
            np.uint8,
        )
    image = np.asarray(cv2.LUT(image, lens.curves()), np.uint8)
    if lens.saturation < 0.99:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        image = np.asarray(
            cv2.addWeighted(image, lens.saturation, grey, 1 - lens.saturation, 0), np.uint8
        )
    if lens.noise > 0.2:
        noise = noise_tile(rng, height, width)
        scaled = cv2.addWeighted(image, 1.0, noise, lens.noise / 16, 0.0, dtype=cv2.CV_8U)
        image = np.asarray(scaled, np.uint8)
    if lens.jpeg is not None:
        ok, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, lens.jpeg])
        if ok:
            image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return image
