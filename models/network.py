"""The whole model: conditioner, denoiser and crowd-map autoencoder, and sampling with them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from models.autoencoder import FACTOR, CrowdMapAutoencoder
from models.conditioner import Conditioner, normalise
from models.denoiser import Denoiser
from models.diffusion import Schedule, T, fixed_noise, predicted_z_0, sample_ddim

Size = Annotated[int, Field(ge=1)]


class NetworkConfig(BaseModel):
    """Sizes of the network; a YAML of ``configs/models`` holds them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zeta_channels: Size = 32
    conditioner_widths: tuple[Size, Size, Size, Size] = (16, 32, 64, 104)
    conditioner_blocks: tuple[Size, Size] = (1, 3)
    conditioner_dilations: tuple[Size, ...] = (1, 2, 4, 2)
    context_width: Size | None = None  # channels of the pyramid on a backbone; None is without
    latent_channels: Size = 4
    codes: Annotated[int, Field(ge=0)] = 1024  # of the codebook; 0 regularises by KL instead of VQ
    autoencoder_width: Size = 64
    denoiser_widths: tuple[Size, Size, Size] = (32, 40, 48)
    # b: the diffusion works on unit-variance latents times b
    latent_scale: Annotated[float, Field(gt=0)] = 0.3
    schedule: Literal["cosine", "linear"] = "cosine"
    # The paper's own choices, for its rows in the tables (configs/models/paper.yaml).
    prediction: Literal["z_0", "epsilon"] = "z_0"
    conditioning: Literal["concatenation", "cross-attention"] = "concatenation"
    density_in_condition: bool = True  # the regression's cells beside zeta
    map_channels: Size = 1  # the paper's maps are pictures of three channels
    squash: Size | None = None  # side to which every picture is squeezed, pixels; None is native


class Sampled(NamedTuple):
    """What the model makes of a batch of pictures of H x W pixels."""

    maps: Tensor  # (K, N, H, W) crowd maps, one per sample of the diffusion
    density: Tensor  # (N, H/8, W/8) people per cell by the regression control


class Sampler(ABC):
    """The model's three functions, and sampling with them."""

    config: NetworkConfig
    schedule: Schedule

    @abstractmethod
    def condition(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The denoiser's condition (N, C, H/4, W/4) and the density (N, 1, H/8, W/8).

        Args:
            pictures: (N, 3, H, W) uint8 RGB, sides multiples of 32.
        """

    @abstractmethod
    def predict(self, z_t: Tensor, t: Tensor, zeta: Tensor) -> Tensor:
        """The predicted z_0 (scaled by b) of noisy latents; t is a fraction of T, (N,)."""

    @abstractmethod
    def decode(self, z_0: Tensor, *, quantise: bool = False) -> Tensor:
        """The crowd map (N, 1, H, W) of a latent scaled by b."""

    @torch.inference_mode()
    def sample(
        self,
        pictures: Tensor,
        steps: int,
        samples: int = 1,
        *,
        quantise: bool = False,
        spacing: Literal["trailing", "leading"] = "trailing",
    ) -> Sampled:
        """Crowd maps of pictures, by DDIM; the condition is computed once whatever ``samples`` is.

        Args:
            pictures: (N, 3, H, W) uint8 RGB, sides multiples of 32.
            steps: S.
            samples: K.
            quantise: snap the sampled latents to the codebook before decoding.
            spacing: of the times.
        """
        count, _, height, width = pictures.shape
        zeta, density = self.condition(pictures)
        shape = (self.config.latent_channels, height // FACTOR, width // FACTOR)

        def predict(z_t: Tensor, t: float) -> Tensor:
            return self.predict(z_t, z_t.new_full((count,), t), zeta)

        maps = []
        for sample in range(samples):
            noise = fixed_noise(*shape, sample).to(zeta.device)
            z_t = noise.expand(count, -1, -1, -1)
            z_0 = sample_ddim(predict, z_t, steps, self.schedule, spacing)
            maps.append(self.decode(z_0, quantise=quantise)[:, 0])
        return Sampled(torch.stack(maps), density[:, 0])


class CrowdDiffusion(nn.Module, Sampler):
    """The latent diffusion model of crowd maps."""

    alpha_bar: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.schedule = Schedule(config.schedule)
        self.conditioner = Conditioner(
            config.zeta_channels,
            config.conditioner_widths,
            config.conditioner_blocks,
            config.conditioner_dilations,
            config.context_width,
        )
        self.autoencoder = CrowdMapAutoencoder(
            config.latent_channels, config.codes, config.autoencoder_width, config.map_channels
        )
        # One channel more than zeta: the density, so that the map's mass starts where the
        # regression stands.
        self.denoiser = Denoiser(
            config.latent_channels,
            config.zeta_channels + int(config.density_in_condition),
            config.denoiser_widths,
            conditioning=config.conditioning,
        )
        alpha_bar = torch.from_numpy(self.schedule.alpha_bar()).float()
        self.register_buffer("alpha_bar", alpha_bar, persistent=False)

    def condition(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        y = normalise(pictures).contiguous(memory_format=torch.channels_last)
        zeta, density = self.conditioner(y)
        if not self.config.density_in_condition:
            return zeta, density
        cells = F.interpolate((density + 1e-4).sqrt(), scale_factor=2.0, mode="nearest")
        return torch.cat([zeta, cells], dim=1), density

    def predict(self, z_t: Tensor, t: Tensor, zeta: Tensor) -> Tensor:
        if self.config.prediction == "epsilon":
            alpha_bar = self.alpha_bar[(t * T).round().long()].view(-1, 1, 1, 1)
            return predicted_z_0(z_t, self.denoiser(z_t, t, zeta), alpha_bar)
        z_0: Tensor = self.denoiser(z_t, t, zeta) * self.config.latent_scale
        return z_0

    def decode(self, z_0: Tensor, *, quantise: bool = False) -> Tensor:
        return self.autoencoder.decode(z_0 / self.config.latent_scale, quantise=quantise)

    def encode(self, x: Tensor) -> Tensor:
        """The latent, scaled by b, of crowd maps (N, 1, H, W)."""
        return self.autoencoder.encode(x) * self.config.latent_scale
