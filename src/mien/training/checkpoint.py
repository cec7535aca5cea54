"""Checkpoints: whole or not at all, and read without unpickling anything but tensors and plain values."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from mien.errors import RecipeError, TrainingError
from mien.files import staged_file
from mien.models import Network


def write(path: Path, state: dict[str, Any]) -> None:
    """Write a state for resuming; the earlier file stays until this one is whole.

    Raises:
        TrainingError: It cannot be written, such as on a full disk.
    """
    body = io.BytesIO()
    torch.save(state, body)
    _put(path, body.getvalue())


def read(path: Path) -> dict[str, Any]:
    """Read what ``write`` wrote; RecipeError if it is damaged."""
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what its unpickler, its zip reader and the system do
        raise RecipeError(
            f"{path} is damaged ({str(error).splitlines()[0][:120]})",
            "a checkpoint written by mien train",
            "Begin the run anew in another folder.",
        ) from error
    return found


def write_weights(path: Path, network: Network, network_section: dict[str, Any]) -> None:
    """Write the weights of a network as safetensors, with what is needed to build it again in the header.

    Raises:
        TrainingError: As ``write`` raises it.
    """
    about = {
        "mien": "1",
        "network": json.dumps(network_section),
        "side": str(network.side),
        "order": network.order,
        "vocabularies": json.dumps({v.name: list(v.labels) for v in network.vocabularies}),
    }
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    _put(path, save(tensors, about))


def read_weights(path: Path, network: Network) -> None:
    """Load what ``write_weights`` wrote into a network of the same layout.

    Raises:
        RecipeError: The file is damaged, or a layer has another shape.
    """
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise RecipeError(f"{path} cannot be read ({error})", "weights written by mien train") from error
    except RuntimeError as error:  # torch lists every layer; the first tells enough
        lines = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
        raise RecipeError(f"{path} does not fit the recipe's network: {lines[0]}", "weights of that network") from error


def _put(path: Path, body: bytes) -> None:
    try:
        with staged_file(path) as stage:
            stage.write_bytes(body)
    except OSError as error:
        earlier = "the earlier one is whole" if path.is_file() else "there is no earlier one"
        raise TrainingError(
            f"the checkpoint {path} cannot be written ({error.strerror or error}); {earlier}",
            f"{len(body) / 1e6:.1f} MB of room",
            f"Make room, then go on with: mien train --resume {path.parent.parent}",
        ) from error
