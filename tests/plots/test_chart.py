"""What the pictures of an evaluation share."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")

from hypothesis import given, settings
from hypothesis import strategies as st

from mien.plots.chart import Scale, broken, decimal, legible, markers, names, per_cent, shortened
from mien.plots.page import width_of
from plots_support import SEVEN, THIRTEEN, TWENTY_SIX


def test_what_the_font_lacks_is_not_drawn_and_every_label_keeps_a_name() -> None:
    assert legible("très\nbien\t 快 печаль a$b$ [red]") == "très bien ? печаль a$b$ [red]"
    assert names(("happy", "快乐", "печаль", " ", "xy快")) == ["happy", "label 2", "печаль", "label 4", "xy?"]
    assert names(("快乐",), "value") == ["value 1"]


def test_numbers_are_written_with_their_intervals() -> None:
    assert per_cent(0.6917, (0.677, 0.7066)) == "69.2% (67.7 to 70.7)" and per_cent(0.5) == "50.0%"
    assert decimal(0.93149, (0.9, 1)) == "0.931 (0.900 to 1.000)" and decimal(0.5) == "0.500"
    assert per_cent(None) == decimal(None) == "not defined"


@settings(max_examples=40)
@given(st.text("ab WMi_-", min_size=1, max_size=60), st.integers(30, 200), st.integers(1, 3))
def test_what_is_too_long_is_cut_to_its_room(text: str, room: int, most: int) -> None:
    short = shortened(text, 9, room)
    assert width_of(short, 9) <= room
    assert short == text if width_of(text, 9) <= room else short.endswith("…") and text.startswith(short[:-1])
    longer = text[: len(short)].rstrip() + "…"
    assert short == text or len(longer) <= len(short) or width_of(longer, 9) > room, "as much as there is room for"
    lines = broken(text, 9, room, most)
    assert len(lines) <= most and all(width_of(line, 9) <= room for line in lines)
    assert "…" in lines[-1] or "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.parametrize("labels", [SEVEN, THIRTEEN, TWENTY_SIX, (*SEVEN, *map(str, range(41)))], ids=len)
def test_no_two_classes_share_both_colour_and_marker(labels: tuple[str, ...]) -> None:
    assert len(set(markers(labels))) == len(labels)
    assert [colour for colour, _ in markers(SEVEN)] == [colour for colour, _ in markers((*SEVEN, "x"))][:7]
    assert len({marker for _, marker in markers(SEVEN)}) == 7, "apart without colour too"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_a_scale_has_room_for_everything_and_a_few_round_ticks(values: list[float]) -> None:
    scale = Scale.around(values, 100, 500)
    assert 0 <= scale.low <= min(values) and max(values) <= scale.high <= 1
    ends = [scale.at(v) for v in (scale.low, *sorted(values), scale.high)]
    assert ends == sorted(ends) and ends[0] == pytest.approx(100) and ends[-1] == pytest.approx(500)
    ticks = scale.ticks()
    assert 3 <= len(ticks) <= 11
    assert all(scale.low - 1e-9 <= t <= scale.high + 1e-9 for t in ticks)
    assert all(abs(t * 1000 - round(t * 1000)) < 1e-6 for t in ticks)
