"""Networks, each built by name from the table BUILDERS.

A network is a ``torch.nn.Module`` that takes (N, 1, size, size) float images and has two methods besides: ``maps``
gives the last feature map, ``heads`` the classifiers by vocabulary name.
"""

from __future__ import annotations

from collections.abc import Callable

from mien.errors import RecipeError
from mien.models.residual import ResidualNet
from mien.recipe import NetworkSection

BUILDERS: dict[str, Callable[[NetworkSection], ResidualNet]] = {
    "residual": ResidualNet,
}


def build(section: NetworkSection) -> ResidualNet:
    """Build the network a recipe names; RecipeError listing the known names if there is none."""
    builder = BUILDERS.get(section.name)
    if builder is None:
        raise RecipeError(f"network.name is {section.name!r}", f"one of {', '.join(BUILDERS)}")
    return builder(section)
