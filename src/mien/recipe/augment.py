"""The ``[augment]`` table of a recipe.

Papers mostly give the arguments of Keras's ImageDataGenerator. In its units: ``horizontal_flip`` is flip = 0.5,
``rotation_range`` is rotation, ``width_shift_range`` and ``height_shift_range`` are shift (where below 1),
``zoom_range`` is zoom with zoom_apart, ``shear_range`` is shear, ``brightness_range`` [0.8, 1.2] is gain = 0.2 and
``fill_mode`` is fill.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from mien.recipe.section import Amount, Section, Share


class AugmentSection(Section):
    flip: Share = 0.0
    """Chance of a horizontal mirror; 0.5 for ``horizontal_flip`` of Keras."""
    rotation: Amount = 0.0
    """Largest turn either way, degrees, as ``rotation_range`` of Keras."""
    shift: Share = 0.0
    """Largest shift either way, share of the side, each axis by an amount of its own."""
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest change of size either way, share: at 0.2 a face is 0.8 to 1.2 times as large. ``zoom_range`` of Keras is
    of the window instead, so that 0.2 there makes it 0.83 to 1.25 times as large."""
    zoom_apart: bool = False
    """Change width and height each by an amount of its own, as ``zoom_range`` of Keras does; else both alike."""
    shear: Annotated[float, Field(ge=0, lt=90)] = 0.0
    """Largest shear either way, degrees, as ``shear_range`` of Keras is: 0.2 there is a fifth of a degree, which does
    next to nothing. Where a paper means a share (20%), say shear_share = 0.2."""
    shear_share: Amount = 0.0
    """The same as a share, in place of shear: how far the top moves against the bottom, in heights (the tangent of the
    angle). 0.2 is 11.3 degrees."""
    crop: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest share of the side that is cut away; what is left lies anywhere and is enlarged to the full side. The
    other changes are of what is left."""
    fill: Literal["nearest", "border", "reflect", "constant"] = "nearest"
    """What moves in from outside the picture a b c d, under Keras's names. ``nearest``: its border, a a|a b c d|d d
    (torch calls it ``border``, which will do as well). ``reflect``: its mirror image with the border pixel repeated,
    b a|a b c d|d c, which is BORDER_REFLECT of OpenCV and not its BORDER_REFLECT_101. ``constant``: black."""
    brightness: Share = 0.0
    """Largest change of brightness either way, share of full scale, added."""
    gain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest change of brightness either way, share of itself, multiplied: 0.2 is ``brightness_range`` [0.8, 1.2] of
    Keras."""
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest change of contrast either way, share: how far the levels lie from the face's mean."""
    erasing: Share = 0.0
    """Chance that a rectangle of 2% to 25% of the picture is replaced by the face's mean gray (Zhong et al. 2017, arXiv
    1708.04896)."""
    mixup: Amount = 0.0
    """Alpha of the Beta distribution by which two faces and their labels are mixed (Zhang et al. 2018, arXiv
    1710.09412); 0 leaves it out."""
    cutmix: Amount = 0.0
    """Alpha of the Beta distribution of the area of a rectangle that comes from another face, with its label (Yun et
    al. 2019, arXiv 1905.04899); 0 leaves it out. With ``mixup`` too, each batch is dealt one of both."""

    @field_validator("shear_share")
    @classmethod
    def _one_unit(cls, share: float, info: ValidationInfo) -> float:
        if share and info.data.get("shear"):
            raise ValueError("shear gives the same in degrees; keep one of the two")
        return share
