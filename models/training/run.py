"""A training run: time-boxed, resumable after being cut off, with EMA weights and a JSON log.

The folder of a run holds ``checkpoint.safetensors`` (weights, EMA, optimiser, progress; written
atomically at least every two minutes), ``best.safetensors`` (the EMA weights that were best on
validation) and ``log.jsonl``. Nothing is pickled.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from models.training.crops import Batch
from models.training.replicas import Loss, Replicas

CHECKPOINT_EVERY_S = 110.0
EMA_DECAY = 0.999
WARM_UP_STEPS = 200
# With a short memory of squares a rare, dense batch is divided by its own size (E34).
BETAS = (0.9, 0.999)
OUTLIER = 10.0  # times the usual norm, to which a gradient is shortened at most


class TrainingError(RuntimeError):
    """A run cannot go on; the text says where, why and what may help."""


@dataclass
class Progress:
    """How far a run has come; travels in the checkpoint."""

    step: int = 0
    crops: int = 0
    seconds: float = 0.0
    best: float = math.inf
    validated_at_s: float = 0.0
    usual_norm: float | None = None  # of the gradients: an average over about a hundred steps


class TrainingRun:
    """Trains one module by a loss on batches until its minutes are used up.

    Args:
        module: what is trained; only parameters that require a gradient are updated.
        folder: of the run, created where missing.
        minutes: the budget; a resumed run uses what is left of it.
        groups: parameter groups with their learning rates at the start of the cosine.
        validate: called with the EMA copy of the module, returns named figures; ``score`` is
            minimised. Called every ``validate_every_s`` and at the end.

    Attributes:
        crops: ends the run earlier, after so many crops. Runs are compared at an equal number of
            them, since a shared machine's speed changes.
        bfloat16: convolutions are computed in it; weights and losses stay float32.
        parts: of a batch that are computed side by side, at most; on a CPU as many as threads.
    """

    crops: int | None = None
    bfloat16 = False

    def __init__(
        self,
        module: nn.Module,
        folder: Path,
        minutes: float,
        groups: list[dict[str, Any]],
        validate: Callable[[nn.Module], Mapping[str, float]],
        *,
        validate_every_s: float = 600.0,
        console: Console | None = None,
    ) -> None:
        self.module = module
        self.ema = copy.deepcopy(module).eval().requires_grad_(False)
        self.folder = folder
        self.budget_s = minutes * 60
        self.optimiser = torch.optim.AdamW(groups, betas=BETAS, weight_decay=1e-4, fused=True)
        self.initial_rates = [float(group["lr"]) for group in groups]
        self.validate = validate
        self.validate_every_s = validate_every_s
        self.console = console or Console(stderr=True)
        self.progress = Progress()
        self.device = next(module.parameters()).device.type
        self.parts = torch.get_num_threads() if self.device == "cpu" else 1
        folder.mkdir(parents=True, exist_ok=True)

    def fit(self, batches: Iterable[Batch], loss_of: Loss) -> Progress:
        """Trains until the budget is used, writing checkpoints, and validates at the end.

        Raises:
            TrainingError: the loss is no number.
        """
        started = time.monotonic() - self.progress.seconds
        last_saved = last_logged = time.monotonic()
        averages: dict[str, float] = {}
        crops_at_log = self.progress.crops
        with Replicas(self.module, self.parts, bfloat16=self.bfloat16) as replicas:
            for batch in batches:
                self._set_rates()
                figures = self._backward(replicas, batch, loss_of)
                self._shorten_outliers()
                self.optimiser.step()
                self._update_ema()
                self.progress.step += 1
                self.progress.crops += len(batch.heads)
                for name, value in figures.items():
                    averages[name] = 0.98 * averages.get(name, value) + 0.02 * value
                now = time.monotonic()
                self.progress.seconds = now - started
                if now - last_logged > 30:
                    rate = (self.progress.crops - crops_at_log) / (now - last_logged)
                    self._log({"crops_per_s": round(rate, 1), **averages})
                    last_logged, crops_at_log = now, self.progress.crops
                if self.progress.seconds - self.progress.validated_at_s > self.validate_every_s:
                    self._validate()
                if now - last_saved > CHECKPOINT_EVERY_S:
                    self.save()
                    last_saved = now
                if self._done() >= 1:
                    break
        self._validate()
        self.save()
        return self.progress

    def resume(self) -> bool:
        """Goes on from the folder's checkpoint; False where there is none."""
        path = self.folder / "checkpoint.safetensors"
        if not path.is_file():
            return False
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            self.progress = Progress(**json.loads(file.metadata()["progress"]))
        self.module.load_state_dict(_part(tensors, "module."))
        self.ema.load_state_dict(_part(tensors, "ema."))
        for index, parameter in enumerate(self._parameters()):
            first = tensors.get(f"first_moment.{index}")
            if first is not None:
                self.optimiser.state[parameter] = {
                    "step": torch.tensor(float(self.progress.step)),
                    "exp_avg": first.to(parameter.device),
                    "exp_avg_sq": tensors[f"second_moment.{index}"].to(parameter.device),
                }
        return True

    def save(self) -> None:
        """Writes the checkpoint atomically."""
        tensors = {f"module.{k}": v for k, v in self.module.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in self.ema.state_dict().items()}
        for index, parameter in enumerate(self._parameters()):
            state = self.optimiser.state.get(parameter)
            if state:
                tensors[f"first_moment.{index}"] = state["exp_avg"]
                tensors[f"second_moment.{index}"] = state["exp_avg_sq"]
        _write(tensors, self.folder / "checkpoint.safetensors", asdict(self.progress))

    def _backward(self, replicas: Replicas, batch: Batch, loss_of: Loss) -> dict[str, float]:
        try:
            return replicas.backward(batch, loss_of)
        except FloatingPointError as error:
            raise TrainingError(
                f"{self.folder}: {error} at step {self.progress.step + 1}; train with lower rates"
            ) from None

    def _validate(self) -> None:
        started = time.monotonic()
        self.progress.validated_at_s = self.progress.seconds
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bfloat16):
            figures = dict(self.validate(self.ema))
        best = figures["score"] < self.progress.best
        if best:
            self.progress.best = figures["score"]
            state = dict(self.ema.state_dict())
            _write(state, self.folder / "best.safetensors", asdict(self.progress))
        self._log({f"val_{k}": v for k, v in figures.items()} | {"best": float(best)})
        self._log({"validation_s": time.monotonic() - started})

    def _parameters(self) -> list[nn.Parameter]:
        return [p for group in self.optimiser.param_groups for p in group["params"]]

    def _done(self) -> float:
        """The share of the budget that is used, of minutes or of crops."""
        minutes = self.progress.seconds / self.budget_s
        return max(minutes, self.progress.crops / self.crops) if self.crops else minutes

    def _set_rates(self) -> None:
        done = min(1.0, self._done())
        warm = min(1.0, (self.progress.step + 1) / WARM_UP_STEPS)
        factor = warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
        for group, rate in zip(self.optimiser.param_groups, self.initial_rates, strict=True):
            group["lr"] = rate * factor

    def _shorten_outliers(self) -> None:
        """Shortens gradients far longer than usual, and only those.

        A fixed norm that most batches exceed would give all batches the same weight, and the
        minimum would no longer be the loss's: crowds denser than predicted, whose gradients are the
        longest, would hardly count, and be predicted too low.
        """
        usual = self.progress.usual_norm
        limit = OUTLIER * usual if usual else math.inf
        norm = min(limit, float(nn.utils.clip_grad_norm_(self.module.parameters(), limit)))
        self.progress.usual_norm = norm if usual is None else 0.99 * usual + 0.01 * norm

    @torch.no_grad()
    def _update_ema(self) -> None:
        decay = min(EMA_DECAY, (1 + self.progress.step) / (10 + self.progress.step))
        averages, currents = self.ema.state_dict().values(), self.module.state_dict().values()
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average(list(averages), list(currents), self.progress.step)

    def _log(self, figures: Mapping[str, float]) -> None:
        p = self.progress
        row = {"step": p.step, "crops": p.crops, "minutes": round(p.seconds / 60, 2)}
        row |= {name: float(f"{value:.5g}") for name, value in figures.items()}
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        left = p.seconds / 60 * max(0.0, 1 / max(self._done(), 1e-9) - 1)
        text = "  ".join(f"{name} {value}" for name, value in row.items())
        self.console.print(f"{text}  ({left:.0f} min left)", highlight=False, soft_wrap=True)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _write(tensors: dict[str, Tensor], path: Path, progress: Mapping[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, temporary, metadata={"progress": json.dumps(progress)})
    temporary.replace(path)
