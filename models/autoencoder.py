"""The first stage: a VQ-regularised autoencoder of crowd maps, z = E(x) and x_hat = D(z).

Without a codebook it is KL-regularised, the other first stage of latent diffusion (Rombach et al.,
CVPR 2022): the encoder gives a Gaussian of latents that is drawn a little towards N(0, 1).

Downsampling is f = 4 as in the paper, by pixel-unshuffle, so that the encoder loses nothing by
striding and tens of thousands of parameters are enough.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FACTOR = 4  # f: pixels of the map per latent position
CODEBOOK_DECAY = 0.99
COMMITMENT_WEIGHT = 0.25
KL_WEIGHT = 1e-4  # a millionth of the reconstruction's, as there
SHARPNESS = 20.0  # of the softplus that keeps maps positive


class Quantised(NamedTuple):
    latent: Tensor  # (N, d, h, w) nearest codes, with the gradient passed straight through
    commitment: Tensor  # scalar, mean squared distance of z to its codes
    codes: Tensor  # (N, h, w) indices


class VectorQuantiser(nn.Module):
    """Nearest code of a learnt codebook, updated by moving averages (van den Oord et al., 2017)."""

    codebook: Tensor
    usage: Tensor
    sums: Tensor

    def __init__(self, codes: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.randn(codes, channels))
        self.register_buffer("usage", torch.ones(codes))
        self.register_buffer("sums", self.codebook.clone())

    def forward(self, z: Tensor) -> Quantised:
        channels = z.shape[1]
        flat = z.permute(0, 2, 3, 1).reshape(-1, channels)
        distances = (
            flat.square().sum(1, keepdim=True)
            - 2 * flat @ self.codebook.t()
            + self.codebook.square().sum(1)
        )
        codes = distances.argmin(dim=1)
        if self.training:
            self._update(flat.detach(), codes)
        shape = (z.shape[0], z.shape[2], z.shape[3])
        nearest = self.codebook[codes].view(*shape, channels).permute(0, 3, 1, 2)
        commitment = F.mse_loss(z, nearest.detach())
        return Quantised(z + (nearest - z).detach(), commitment, codes.view(shape))

    @torch.no_grad()
    def _update(self, flat: Tensor, codes: Tensor) -> None:
        counts = torch.bincount(codes, minlength=len(self.codebook)).to(flat.dtype)
        sums = torch.zeros_like(self.codebook).index_add_(0, codes, flat)
        self.usage.lerp_(counts, 1 - CODEBOOK_DECAY)
        self.sums.lerp_(sums, 1 - CODEBOOK_DECAY)
        unused = self.usage < 0.02  # a dead code restarts at a latent of this batch
        if bool(unused.any()):
            chosen = flat[torch.randint(len(flat), (int(unused.sum()),), device=flat.device)]
            self.sums[unused] = chosen
            self.usage[unused] = 1.0
        self.codebook.copy_(self.sums / self.usage[:, None])


def gaussian_sample(moments: Tensor) -> tuple[Tensor, Tensor]:
    """A latent of the Gaussian with these moments, and the Gaussian's KL divergence from N(0, 1).

    Args:
        moments: (N, 2d, h, w), the means and the logarithms of the variances.
    """
    mean, log_variance = moments.chunk(2, dim=1)
    log_variance = log_variance.clamp(-30, 20)
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    return mean + (0.5 * log_variance).exp() * torch.randn_like(mean), divergence


class CrowdMapAutoencoder(nn.Module):
    """E, the codebook and D.

    Args:
        channels: d, of the latent.
        codes: of the codebook; 0 for KL instead of VQ.
        width: of the hidden layers.
        map_channels: equal channels of a map (three in the paper); the decoder's are averaged.
    """

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(
        self, channels: int = 4, codes: int = 1024, width: int = 64, map_channels: int = 1
    ) -> None:
        super().__init__()
        self.map_channels = map_channels
        self.channels = channels
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(FACTOR),
            nn.Conv2d(map_channels * FACTOR**2, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, channels if codes else 2 * channels, 1),
        )
        self.quantiser = VectorQuantiser(codes, channels) if codes else None
        self.decoder = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, map_channels * FACTOR**2, 3, padding=1),
            nn.PixelShuffle(FACTOR),
        )
        # Of z over the training maps: the diffusion works on (z - mean) / std.
        self.register_buffer("latent_mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("latent_std", torch.ones(1, channels, 1, 1))

    def encode(self, x: Tensor) -> Tensor:
        """z_0 before quantisation, centred and scaled: (N, 1, H, W) to (N, d, H/4, W/4)."""
        z = self.latent(x)
        return (z - self.latent_mean) / self.latent_std

    def latent(self, x: Tensor) -> Tensor:
        """z = E(x) as it comes, (N, 1, H, W) to (N, d, H/4, W/4); with KL, the mean."""
        return self._encoded(x)[:, : self.channels]

    def decode(self, z: Tensor, *, quantise: bool = False) -> Tensor:
        """The crowd map of a centred and scaled latent: (N, d, h, w) to (N, 1, 4h, 4w)."""
        raw = z * self.latent_std + self.latent_mean
        if quantise and self.quantiser is not None:
            raw = self.quantiser(raw).latent
        return self._to_map(raw)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction of the regularised latent and of z itself, and the regulariser's loss."""
        encoded = self._encoded(x)
        if self.quantiser is None:
            sample, divergence = gaussian_sample(encoded)
            mean = encoded[:, : self.channels]
            return self._to_map(sample), self._to_map(mean), KL_WEIGHT * divergence
        quantised = self.quantiser(encoded)
        commitment = COMMITMENT_WEIGHT * quantised.commitment
        return self._to_map(quantised.latent), self._to_map(encoded), commitment

    def _encoded(self, x: Tensor) -> Tensor:
        encoded: Tensor = self.encoder(x.expand(-1, self.map_channels, -1, -1))
        return encoded

    def _to_map(self, raw: Tensor) -> Tensor:
        # Softplus: an empty place decodes to nothing instead of to a small offset, which summed
        # over a million pixels would be a hundred people.
        # (Its argument `beta` would be lost when the network is compiled.)
        mean = self.decoder(raw).mean(dim=1, keepdim=True)
        return F.softplus(SHARPNESS * mean) / SHARPNESS
