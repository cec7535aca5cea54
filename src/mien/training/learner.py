"""A network that learns: one step of training, and the moving average of its weights."""

from __future__ import annotations

import ctypes
from contextlib import nullcontext, suppress
from typing import Any, cast

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mien.expressions import Vocabulary
from mien.models import Network
from mien.recipe import Recipe
from mien.training.augment import augment
from mien.training.batches import Batch
from mien.training.losses import cross_entropy, targets
from mien.training.mixing import mix
from mien.training.optimizers import Schedule, optimizer


def keep_memory() -> None:
    """Let the process keep the memory it frees.

    Every step allocates the maps of a batch and frees them again. The C library gives pieces of that size back to the
    system, which hands out fresh, zeroed pages at the next step: on a CPU a quarter of the time. glibc only; elsewhere
    nothing changes.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD: pieces up to 1 GiB come from the heap
        mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD: whose top is not given back


class Learner:
    """A network with its optimizer, schedule and average.

    Args:
        recipe: The recipe as run.
        network: What learns; its first vocabulary, or none, is that of the labels.
        steps: Optimizer steps of the whole run.
        class_weights: (classes,) weight of each label in the loss; None where all weigh the same.
        fabric: Device, precision and processes; one CPU in the recipe's precision where None.
        labels: What the labels mean; the network's first vocabulary where None.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: Network,
        steps: int,
        class_weights: Tensor | None = None,
        fabric: Fabric | None = None,
        labels: Vocabulary | None = None,
    ) -> None:
        self.recipe = recipe
        self.fabric = fabric or Fabric(accelerator="cpu", devices=1, precision=recipe.training.precision)
        if self.fabric.device.type == "cpu":
            keep_memory()
        self.network = network.to(memory_format=torch.channels_last)
        self._own = optimizer(network, recipe.training)
        self._module, self._optimizer = self.fabric.setup(network, self._own)
        self.schedule = Schedule(self._own, recipe.training, steps)
        self.labels = labels or network.vocabularies[0]
        self._weights = None if class_weights is None else class_weights.to(self.fabric.device)
        self.average: AveragedModel | None = None
        if recipe.training.ema:
            self.average = AveragedModel(
                self.network,
                multi_avg_fn=get_ema_multi_avg_fn(recipe.training.ema),  # type: ignore[no-untyped-call]
                use_buffers=True,
            )
        self.right = torch.zeros((), device=self.fabric.device)

    @property
    def judged(self) -> Network:
        """The network that is validated and kept: the average where there is one."""
        if self.average is None:
            return self.network
        return cast(Network, self.average.module)

    def step(self, batch: Batch, epoch: int, step: int) -> Tensor:
        """Learn from a batch.

        Args:
            batch: As ``FaceRows.batch`` gives it: this process's share.
            epoch: Counted from 0; key of the augmentation.
            step: Counted from 0 over the whole run; key of dropout and mixing.

        Returns:
            The loss, a scalar on the device. ``right`` counts the faces whose label the network named while learning.
        """
        # Dropout draws from the global generator: tied to the step, a resumed run draws what an unbroken one would.
        torch.manual_seed((self.recipe.seed * 1_000_003 + step) * 4099 + self.fabric.global_rank)
        self.network.train()
        self.schedule.set(step)
        pieces = _pieces(batch, self.recipe.training.accumulate)
        n, total = len(batch["labels"]), torch.zeros((), device=self.fabric.device)
        for i, piece in enumerate(pieces):
            last = i == len(pieces) - 1
            waiting = nullcontext() if last else self.fabric.no_backward_sync(self._module)
            with waiting:
                loss = self._loss(piece, epoch, step, i) * (len(piece["labels"]) / n)
                self.fabric.backward(loss)
            total = total + loss.detach()
        if self.recipe.training.gradient_clip:
            self.fabric.clip_gradients(self._module, self._optimizer, max_norm=self.recipe.training.gradient_clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return total

    def _loss(self, batch: Batch, epoch: int, step: int, piece: int) -> Tensor:
        recipe = self.recipe
        faces = augment(batch["faces"].float() / 255, batch["rows"], epoch, recipe.seed, recipe.augment)
        wanted = targets(batch, self.labels, recipe.loss, self._weights)
        if recipe.augment.mixup or recipe.augment.cutmix:
            key = (recipe.seed, epoch, (step * 64 + piece) * 256 + self.fabric.global_rank)
            faces, partner, share = mix(faces, key, recipe.augment)
            own = share[:, None]
            wanted = {k: own * target + (1 - own) * target[partner] for k, target in wanted.items()}
        logits = self._module(faces)
        if self.labels.name in logits:
            self.right += (logits[self.labels.name].detach().argmax(1) == batch["labels"]).sum()
        return cross_entropy(logits, wanted)

    def score(self, batch: Batch) -> dict[str, Tensor]:
        """Logits of the judged network, in evaluation mode and the recipe's precision."""
        network = self.judged.eval()
        with torch.inference_mode(), self.fabric.autocast():
            return {k: v.float() for k, v in network(batch["faces"].float() / 255).items()}

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs of this."""
        return {
            "network": self.network.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self._own.state_dict(),
            "schedule": self.schedule.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "right": self.right,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What ``state_dict`` gave."""
        self.network.load_state_dict(state["network"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self._own.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        self.right = state["right"].to(self.fabric.device)


def _pieces(batch: Batch, count: int) -> list[Batch]:
    """A batch in so many pieces, of about the same size; fewer where it has fewer faces."""
    count = min(count, len(batch["labels"]))
    if count == 1:
        return [batch]
    parts = {k: torch.tensor_split(v, count) for k, v in batch.items()}
    return [{k: v[i] for k, v in parts.items()} for i in range(count)]
