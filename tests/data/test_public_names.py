"""``from mien.data import …``: what is listed is there, is described, and nothing else is public."""

from __future__ import annotations

import inspect
import types

import pytest

from mien import data


def test_the_listed_names_are_the_public_ones() -> None:
    modules = {name for name, value in vars(data).items() if isinstance(value, types.ModuleType)}
    public = {name for name in vars(data) if not name.startswith("_")} - modules
    assert public == set(data.__all__)
    assert list(data.__all__) == sorted(data.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n))


@pytest.mark.parametrize("name", [n for n in data.__all__ if not n.isupper()])
def test_every_public_name_says_what_it_takes_and_gives(name: str) -> None:
    thing = getattr(data, name)
    text = inspect.getdoc(thing) or ""
    assert text, name
    if inspect.isclass(thing):
        fields = [f for f in inspect.signature(thing).parameters if f != "self"]
        assert not fields or ("Attributes:" in text or "Args:" in text), name
    else:
        assert len(inspect.signature(thing).parameters) < 2 or "Args:" in text or "Arguments" in text, name
        fields = list(inspect.signature(thing).parameters) if "Args:" in text else []
    missing = [f for f in fields if f"{f}:" not in text]
    assert missing == [], f"{name} does not describe {missing}"
