"""Optimizers by name, and the course of the learning rate, against torch's own."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from mien.expressions import FER2013
from mien.models import Body, Network
from mien.recipe import TrainingSection
from mien.training.optimizers import Muon, Schedule, optimizer


def network(*, rate: float = 1.0) -> Network:
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    layers = nn.Sequential(first, nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(6 * 16, 5))
    return Network(Body(layers, 5, backbone=first, backbone_rate=rate), [FER2013], 8)


def section(**changed: object) -> TrainingSection:
    return TrainingSection(**({"epochs": 3, "batch_size": 4, "learning_rate": 0.01} | changed))  # type: ignore[arg-type]


def step(net: Network, chosen: torch.optim.Optimizer, seed: int) -> None:
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    nn.functional.cross_entropy(net(x)["fer2013"], torch.arange(6)).backward()
    chosen.step()
    chosen.zero_grad()


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop", "muon"])
def test_biases_and_norms_do_not_decay_and_a_backbone_has_its_rate(name: str) -> None:
    net = network(rate=0.1)
    chosen = optimizer(net, section(optimizer=name, weight_decay=0.3))
    by_parameter = {id(p): g for g in chosen.param_groups for p in g["params"]}
    assert len(by_parameter) == len(list(net.parameters()))
    for key, p in net.named_parameters():
        group = by_parameter[id(p)]
        assert group["weight_decay"] == (0.3 if p.ndim > 1 else 0.0), key
        assert group["lr"] == pytest.approx(0.001 if key.startswith("layers.0") else 0.01), key


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_muon_takes_kernels_as_matrices(layout: torch.memory_format) -> None:
    """The same as torch's Muon on a copy of each kernel as a matrix, and AdamW on the rest; in any memory layout."""
    net = network().to(memory_format=layout)  # type: ignore[call-overload]
    other = copy.deepcopy(net)
    mine = optimizer(net, section(optimizer="muon", weight_decay=0.1))
    assert isinstance(mine, Muon)
    hidden = [p for n, p in other.named_parameters() if p.ndim > 1 and not n.startswith("heads")]
    flat = [nn.Parameter(p.detach().reshape(len(p), -1).clone()) for p in hidden]
    muon = torch.optim.Muon(flat, 0.01, 0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw")
    rest = [p for p in other.parameters() if not any(p is h for h in hidden)]
    adam = torch.optim.AdamW(
        [
            {"params": [p for p in rest if p.ndim > 1], "weight_decay": 0.1},
            {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
        ],
        0.01,
    )
    before = net.layers[1].weight.detach().clone()
    for i in range(3):
        step(net, mine, i)
        x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(i))
        nn.functional.cross_entropy(other(x)["fer2013"], torch.arange(6)).backward()
        for h, f in zip(hidden, flat, strict=True):
            f.grad = h.grad.reshape(len(h), -1)
        muon.step()
        adam.step()
        for h, f in zip(hidden, flat, strict=True):
            h.data.copy_(f.detach().view_as(h))
            h.grad = None
        adam.zero_grad()
    assert not torch.equal(before, net.layers[1].weight)
    for (name, a), b in zip(net.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=2e-2, atol=2e-4, msg=name)  # torch's Muon works in bfloat16


def test_rmsprop_is_kerass() -> None:
    """g / (√v + 1e-7) with v ← 0.9 v + 0.1 g², and no momentum; weights, but not biases, decay in the gradient."""
    net, other = network(), network()
    chosen = optimizer(net, section(optimizer="rmsprop", weight_decay=0.1, momentum=0.5))
    squares = {name: torch.zeros_like(p) for name, p in other.named_parameters()}
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        for (name, p), mine in zip(other.named_parameters(), net.parameters(), strict=True):
            mine.grad = torch.randn(p.shape, generator=generator) * 1e-6  # so small that the 1e-7 matters
            slope = mine.grad + (0.1 * p.detach() if p.ndim > 1 else 0)
            squares[name] = 0.9 * squares[name] + 0.1 * slope**2
            p.data -= 0.01 * slope / (squares[name].sqrt() + 1e-7)
        chosen.step()
    for (name, a), b in zip(net.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6, msg=name)


@pytest.mark.parametrize("name", ["muon", "rmsprop"])
def test_an_optimizer_goes_on_where_it_was_saved(name: str) -> None:
    whole, half = network(), network()
    one, two = (optimizer(n, section(optimizer=name)) for n in (whole, half))
    for i in range(4):
        step(whole, one, i)
    for i in range(2):
        step(half, two, i)
    again = optimizer(half, section(optimizer=name))
    again.load_state_dict(two.state_dict())
    for i in (2, 3):
        step(half, again, i)
    for a, b in zip(whole.parameters(), half.parameters(), strict=True):
        assert torch.equal(a, b)


def rates(net: Network, **changed: object) -> list[float]:
    chosen = optimizer(net, section(**changed))
    schedule, found = Schedule(chosen, section(**changed), 40), []
    for i in range(40):
        schedule.set(i)
        found.append(chosen.param_groups[0]["lr"])
    return found


def test_schedules_follow_torchs() -> None:
    net = network()
    base = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
    theirs = torch.optim.lr_scheduler.OneCycleLR(base, 0.01, total_steps=40, pct_start=0.25)
    expected = []
    for _ in range(40):
        expected.append(base.param_groups[0]["lr"])
        base.step()
        theirs.step()
    assert rates(net, schedule="one-cycle", warmup=0.25) == pytest.approx(expected[:40], rel=1e-5)
    assert rates(net) == [0.01] * 40
    cosine = rates(net, schedule="cosine", warmup=0.25)
    assert cosine[:10] == pytest.approx([0.01 * (i + 1) / 11 for i in range(10)])
    assert cosine[10] == pytest.approx(0.01) and cosine[25] == pytest.approx(0.005) and 0 < cosine[39] < 1e-4


def test_a_plateau_lowers_the_rate_after_its_patience() -> None:
    chosen = optimizer(network(), section(schedule="plateau", plateau_factor=0.5, plateau_patience=2))
    schedule = Schedule(chosen, section(schedule="plateau", plateau_factor=0.5, plateau_patience=2), 100)
    found = []
    for score in (1.0, 0.9, 0.95, 0.9, 0.8, 0.81, 0.82, 0.83, 0.84):
        schedule.epoch_ended(score)
        schedule.set(0)
        found.append(chosen.param_groups[0]["lr"])
    assert found == pytest.approx([0.01, 0.01, 0.01, 0.005, 0.005, 0.005, 0.0025, 0.0025, 0.00125])
    resumed = Schedule(chosen, section(schedule="plateau"), 100)
    resumed.load_state_dict(schedule.state_dict())
    assert resumed.scale == 0.125


def test_a_frozen_backbone_is_not_given_to_the_optimizer(tmp_path: Path) -> None:
    net = network(rate=0.0)
    chosen = optimizer(net, section(weight_decay=0.5))
    given = {id(p) for g in chosen.param_groups for p in g["params"]}
    frozen = [p for n, p in net.named_parameters() if n.startswith("layers.0")]
    assert frozen and not any(id(p) in given for p in frozen)
    before = [p.clone() for p in frozen]
    step(net, chosen, 0)
    assert all(torch.equal(a, b) for a, b in zip(before, frozen, strict=True))
