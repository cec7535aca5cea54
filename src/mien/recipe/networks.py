"""The ``[network]`` table of a recipe: one class for each kind of network, told apart by ``name``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from mien.recipe.section import Count, Section, Share


class _Network(Section):
    published: ClassVar[bool] = False
    """Whether a library has pre-trained weights of the network."""

    side: Count | None = None
    """Side that the network sees, pixels; faces of another side are resampled inside it. The store's own if absent."""
    weights: str | None = None
    """Weights to start from: a weights.safetensors written by mien, relative to the recipe; its heads are left out. Or,
    for a network of torchvision or timm, the library's own name of its pre-trained weights; ``imagenet`` is the
    library's default. From scratch if absent."""
    scaling: Literal["unit", "signed", "byte", "standard"] | None = None
    """Input scaling: ``unit`` is 0 to 1, ``signed`` -1 to 1, ``byte`` 0 to 255, ``standard`` less the mean and over the
    standard deviation of the training pixels. The network's own if absent; ``weights`` bring theirs, and leave no
    choice."""
    misscaled: Literal["unit", "signed", "byte"] | None = None
    """Scaling that ``weights`` are given in place of the one they were trained with, to measure that mistake. Whatever
    is made of the run says so."""

    @property
    def own_weights(self) -> bool:
        """Whether ``weights`` is a file written by mien, not a library's name."""
        return self.weights is not None and self.weights.endswith(".safetensors")

    @field_validator("weights")
    @classmethod
    def _weights_that_can_be(cls, weights: str | None) -> str | None:
        if weights is None or weights.endswith(".safetensors"):
            return weights
        if not cls.published:
            problem = "this network has no published weights; it starts from a weights.safetensors written by mien"
        elif "/" in weights or weights.endswith((".pth", ".pt", ".bin")):
            problem = (
                "weights takes a library's name, such as imagenet, or a .safetensors file written by mien; a copy of "
                "the library's file goes into weights_file, beside the name"
            )
        else:
            return weights
        raise ValueError(problem)

    @field_validator("scaling")
    @classmethod
    def _scaling_of_the_weights(cls, scaling: str | None, info: ValidationInfo) -> str | None:
        if scaling is not None and info.data.get("weights") is not None:
            raise ValueError(
                "weights only work with the input scaling they were trained with, and bring it with them; leave "
                "scaling out",
            )
        return scaling

    @field_validator("misscaled")
    @classmethod
    def _misscaled_weights(cls, misscaled: str | None, info: ValidationInfo) -> str | None:
        if misscaled is not None and "weights" in info.data and info.data["weights"] is None:
            raise ValueError("only weights that were trained before can be misscaled; name them, or set scaling")
        return misscaled


class ResidualSection(_Network):
    name: Literal["residual"]
    """mien's own small residual network."""
    stem: Count = 32
    """Channels of the first convolution, at full resolution."""
    widths: Annotated[list[Count], Field(min_length=1)]
    """Channels of each stage; every stage but the first halves the resolution."""
    blocks: list[Count]
    """Residual blocks in each stage."""
    dropout: Share = 0.0
    """Share of pooled features dropped while training."""


class PaperSection(_Network):
    name: Literal["hybrid-1", "hybrid-2", "balanced-cnn", "convrelu-ann", "model-1", "model-2"]
    """A network of one of the papers, as it is described there."""
    dropout: Share | None = None
    """Share dropped while training, in place of each of the paper's own, or before the classifier where it has none."""


class ModelThreeSection(_Network):
    name: Literal["model-3"]
    """Model 3 of Chang 2022."""
    kernel: Annotated[int, Field(ge=2, le=3)] = 3
    """Side of the convolution kernels; the paper compares 2 and 3."""
    dropout: Share | None = None
    """Share dropped while training, in place of each of the network's own."""


class BackboneSection(_Network):
    published: ClassVar[bool] = True

    name: Literal["vgg16", "resnetv2", "efficientnet", "mobilenetv2", "shufflenetv2", "resnet18"]
    """A network of torchvision or timm."""
    channels: Literal[1, 3] | None = None
    """Input channels: 1 is gray; 3 repeats it, as networks trained on colour pictures want it. If absent, 3 with a
    library's weights and 1 otherwise. With 1 and a library's weights, the filters for three colours become one that
    answers to gray as they do to repeated gray."""
    weights_file: str | None = None
    """A local copy of the file that the library publishes as ``weights``, in place of the download; relative to the
    recipe."""
    backbone_rate: Share = 1.0
    """Learning rate of the backbone as a share of that of the new layers; 0 freezes it, batch norm included."""
    hidden: list[Count] = Field(default_factory=list)
    """Widths of new dense layers between the backbone and the classifier. Of a weights.safetensors with other widths
    only the backbone is taken."""
    dropout: Share = 0.0
    """Share dropped before the classifier while training."""

    @field_validator("weights_file")
    @classmethod
    def _copy_of_something_named(cls, file: str | None, info: ValidationInfo) -> str | None:
        if file is None or "weights" not in info.data:  # weights are wrong themselves
            return file
        weights = info.data["weights"]
        if weights is not None and not weights.endswith(".safetensors"):
            return file
        problem = "a local copy of a library's weights has the input scaling that their name stands for; "
        problem += "name them in weights" if weights is None else "weights is a file already, leave weights_file out"
        raise ValueError(problem + " (a file written by mien goes into weights alone)")

    @property
    def input_channels(self) -> int:
        """1 or 3."""
        if self.channels is not None:
            return self.channels
        return 1 if self.weights is None or self.own_weights else 3


NetworkSection = Annotated[
    ResidualSection | PaperSection | ModelThreeSection | BackboneSection, Field(discriminator="name")
]
