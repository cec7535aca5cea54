"""The ``[head]`` table of a recipe: a classical classifier on the features of the trained network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from mien.errors import RecipeError
from mien.recipe.section import Count, Positive, Section


class HeadSection(Section):
    kind: Literal["svm", "knn", "logistic"] = "svm"
    """Support vector machine, k nearest neighbours, or logistic regression."""
    kernel: list[Literal["linear", "poly", "rbf"]] = Field(default=["linear"], min_length=1)
    """Of the SVM; several are searched over."""
    C: list[Positive] = Field(default=[1.0], min_length=1)
    """Inverse strength of regularisation of the SVM and of logistic regression. Two values are the ends of a range that
    is searched evenly in its logarithm; more are searched over as they are."""
    gamma: list[Positive] = Field(default=[])
    """Of the poly and rbf kernels; two values are the ends of such a range. scikit-learn's ``scale`` if empty."""
    degree: list[Count] = Field(default=[3], min_length=1)
    """Of the poly kernel; several are searched over."""
    neighbours: list[Count] = Field(default=[5], min_length=1)
    """Of k nearest neighbours; several are searched over."""
    candidates: Annotated[int, Field(ge=0)] = 0
    """Settings that are drawn at random from the ranges and compared by cross-validation; 0 takes the first of each."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Of the cross-validation, for the search and for the probabilities."""
    rows: Count | None = None
    """Use only so many training rows, every class in its share; all if absent."""
    iterations: Count = 100_000
    """Most iterations of one fit; a fit that needs more stops there and says so."""

    @field_validator("C", "gamma")
    @classmethod
    def _in_order(cls, values: list[float]) -> list[float]:
        if len(values) == 2 and not values[0] < values[1]:
            raise ValueError("two values are the ends of a range, the smaller first")
        return values


def head_section(values: Mapping[str, Any], where: str) -> HeadSection:
    """A head by itself, without a recipe around it.

    Args:
        values: Field → value.
        where: What to call them in errors, such as ``--kernel``'s command.

    Raises:
        RecipeError: An unknown field or an impossible value; lists all of them.
    """
    try:
        return HeadSection.model_validate(dict(values))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()} (came {e['input']!r})" for e in error.errors()]
        raise RecipeError(
            f"{where}: " + "; ".join(problems), remedy="The fields and their meaning: mien networks --fields"
        ) from error
