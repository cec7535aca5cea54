"""Optimizers and the course of the learning rate, by the names a recipe uses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mien.models import Network
from mien.recipe import TrainingSection


def optimizer(network: Network, section: TrainingSection) -> Optimizer:
    """The optimizer of a recipe; biases and norms do not decay, a backbone has its share of the rate."""
    groups: list[dict[str, Any]] = []
    heads = {id(p) for p in network.heads.parameters()}
    for rate, parameters in network.groups():
        # As few groups as the recipe needs: each is a call of its own at every step.
        kinds: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for p in parameters:
            decays = p.ndim > 1 and section.weight_decay > 0
            matrix = section.optimizer == "muon" and p.ndim > 1 and id(p) not in heads
            if p.requires_grad:
                kinds.setdefault((decays, matrix), []).append(p)
        for (decays, matrix), members in kinds.items():
            peak = section.learning_rate * rate
            decay = section.weight_decay if decays else 0.0
            groups.append({"params": members, "matrix": matrix, "lr": peak, "peak": peak, "weight_decay": decay})
    rate, decay, momentum = section.learning_rate, section.weight_decay, section.momentum
    # One pass over the weights in place of a dozen. In half precision the loss scaler clips gradients of others only.
    fused = section.precision != "16-mixed"
    if section.optimizer == "muon":
        return Muon(groups, momentum, fused)
    if section.optimizer == "sgd":
        return torch.optim.SGD(groups, rate, momentum, weight_decay=decay, nesterov=momentum > 0, fused=fused)
    if section.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, rate, alpha=0.9, eps=1e-7, weight_decay=decay)  # Keras's numbers
    kind = torch.optim.Adam if section.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, rate, weight_decay=decay, fused=fused)


class Muon(Optimizer):
    """Muon for hidden matrices and convolution kernels, AdamW for the rest (Jordan 2024, kellerjordan.github.io).

    torch's own Muon takes matrices only: a kernel (out, in, h, w) is shown to it as the matrix (out, in × h × w) that
    shares its memory. Its rate is matched to AdamW's (Liu et al. 2025, arXiv 2502.16982), so that one rate serves both.

    Args:
        groups: Parameter groups with ``lr``, ``weight_decay`` and ``matrix``, which says who learns by Muon.
        momentum: Of Muon.
        fused: Whether AdamW passes over the weights once.
    """

    def __init__(self, groups: list[dict[str, Any]], momentum: float, fused: bool = False) -> None:
        super().__init__(groups, {"lr": 1e-3, "weight_decay": 0.0, "matrix": False})
        self._momentum, self._fused = momentum, fused
        self._inner: list[tuple[Optimizer, list[nn.Parameter]]] = []
        self._waiting: list[Any] | None = None

    def _make(self) -> None:
        """Made at the first step, when the parameters have reached their device and their layout in memory."""
        for group in self.param_groups:
            rate, decay = group["lr"], group["weight_decay"]
            if group["matrix"]:
                views = [nn.Parameter(_as_matrix(p.detach())) for p in group["params"]]
                inner: Optimizer = torch.optim.Muon(
                    views, rate, decay, momentum=self._momentum, adjust_lr_fn="match_rms_adamw"
                )
            else:
                views = group["params"]
                inner = torch.optim.AdamW(views, rate, weight_decay=decay, fused=self._fused)
            self._inner.append((inner, views))
        if self._waiting is not None:
            for (inner, _), state in zip(self._inner, self._waiting, strict=True):
                inner.load_state_dict(state)
            self._waiting = None

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step; ``closure`` is evaluated first where it is given."""
        if closure is not None:
            with torch.enable_grad():
                closure()
        if not self._inner:
            self._make()
        for group, (inner, views) in zip(self.param_groups, self._inner, strict=True):
            for one in inner.param_groups:
                one["lr"] = group["lr"]
            if group["matrix"]:
                for p, view in zip(group["params"], views, strict=True):
                    view.grad = None if p.grad is None else _as_matrix(p.grad, p)
            inner.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of both, in the order of the groups."""
        inner = self._waiting or [one.state_dict() for one, _ in self._inner]
        rates = [{k: v for k, v in group.items() if k != "params"} for group in self.param_groups]
        return {"inner": inner, "groups": rates}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What ``state_dict`` gave."""
        for group, saved in zip(self.param_groups, state_dict["groups"], strict=True):
            group.update(saved)
        self._inner, self._waiting = [], state_dict["inner"] or None


def _as_matrix(kernel: Tensor, like: Tensor | None = None) -> Tensor:
    """(out, …) → (out, rest), sharing memory, also where channels lie last; ``like`` says in which layout."""
    shape = kernel if like is None else like
    if kernel.ndim == 4 and shape.is_contiguous(memory_format=torch.channels_last) and not shape.is_contiguous():
        return kernel.permute(0, 2, 3, 1).reshape(len(kernel), -1)
    return kernel.reshape(len(kernel), -1)


class Schedule:
    """The course of the learning rate, set before every step.

    Args:
        optimizer: Its groups have ``peak``, the highest rate of each.
        section: Schedule, warm-up and plateau.
        steps: Steps of the whole run.
    """

    def __init__(self, optimizer: Optimizer, section: TrainingSection, steps: int) -> None:
        self.optimizer, self.section, self.steps = optimizer, section, max(steps, 1)
        self.scale, self._best, self._still = 1.0, math.inf, 0

    def set(self, step: int) -> None:
        """Set the rate of every group for this step, counted from 0."""
        share = self.scale * self.share(step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share
            if self.section.schedule == "one-cycle" and "betas" in group:
                group["betas"] = (0.95 - 0.1 * share, group["betas"][1])  # momentum goes against the rate

    def share(self, step: int) -> float:
        """The rate at a step, as a share of the highest."""
        rising = self.section.warmup or (0.3 if self.section.schedule == "one-cycle" else 0.0)
        at, last = rising * self.steps, self.steps - 1
        if self.section.schedule == "one-cycle":
            at = max(at - 1, 1e-9)
            if step <= at:
                return _between(1 / 25, 1.0, step / at)
            return _between(1.0, 1 / 25e4, (step - at) / max(last - at, 1e-9))
        if step < at:
            return (step + 1) / (math.floor(at) + 1)
        if self.section.schedule == "cosine":
            return _between(1.0, 0.0, (step - at) / max(self.steps - at, 1e-9))
        return 1.0

    def epoch_ended(self, loss_like: float) -> None:
        """Lower the rate where the score, of which less is better, stands still; under ``plateau`` only."""
        if self.section.schedule != "plateau":
            return
        if loss_like < self._best:
            self._best, self._still = loss_like, 0
            return
        self._still += 1
        if self._still >= self.section.plateau_patience:
            self.scale, self._still = self.scale * self.section.plateau_factor, 0

    def state_dict(self) -> dict[str, float]:
        """What a resumed run needs."""
        return {"scale": self.scale, "best": self._best, "still": self._still}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """What ``state_dict`` gave."""
        self.scale, self._best, self._still = state["scale"], state["best"], int(state["still"])


def _between(start: float, end: float, share: float) -> float:
    """Half a cosine from one to the other."""
    return end + (start - end) * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0))) / 2
