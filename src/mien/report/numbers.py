"""How numbers are written: the same way in every format of a report."""

from __future__ import annotations

from mien.evaluation.measures import METRICS, Estimate

NOTHING = "–"  # where a number is not defined, or not known
THIN = "\u202f"  # narrow no-break space, before units
MINUS = "\u2212"


def count(value: int | None) -> str:
    """A number of faces or weights, in groups of three digits; a dash for None."""
    return NOTHING if value is None else _signed(f"{value:,}")


def share(value: float | None) -> str:
    """A share of 0 to 1 in per cent with one decimal, such as ``69.2%``; a dash for None."""
    return NOTHING if value is None else f"{_fixed(100 * value, 1)}%"


def number(value: float | None, digits: int = 3) -> str:
    """A number that is not a share, with three decimals unless told otherwise; a dash for None."""
    return NOTHING if value is None else _fixed(value, digits)


def interval(low: float | None, high: float | None, *, shares: bool = True) -> str:
    """The ends of an interval, such as ``67.7 to 70.7`` (per cent) or ``0.629 to 0.664``; empty where there is none."""
    if low is None or high is None:
        return ""
    if shares:
        return f"{_fixed(100 * low, 1)} to {_fixed(100 * high, 1)}"
    return f"{_fixed(low, 3)} to {_fixed(high, 3)}"


def points(value: float | None) -> str:
    """A difference of two shares in percentage points, with its sign, such as ``+1.2``; a dash for None."""
    if value is None:
        return NOTHING
    written = _fixed(100 * value, 1)
    return written if written.startswith(MINUS) or not float(written) else f"+{written}"


def chance(value: float | None) -> str:
    """A probability of a test, such as ``0.012``; under a thousandth only that it is."""
    if value is None:
        return NOTHING
    return f"<{THIN}0.001" if value < 0.001 else _fixed(value, 3)


def duration(seconds: float) -> str:
    """Time in words: ``4.2 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if seconds < 59.95:
        return f"{_fixed(seconds, 1)}{THIN}s"
    if whole < 3600:
        return f"{whole // 60}{THIN}min {whole % 60}{THIN}s"
    minutes = round(seconds / 60)
    return f"{minutes // 60}{THIN}h {minutes % 60}{THIN}min"


def said(estimate: Estimate | None, metric: str = "accuracy") -> str:
    """A headline number with its interval in a sentence: ``69.2% (95% interval 67.7 to 70.7)``."""
    if estimate is None or estimate.value is None:
        return "not defined"
    shares = METRICS[metric].share
    written = share(estimate.value) if shares else number(estimate.value)
    ends = interval(estimate.low, estimate.high, shares=shares)
    return f"{written} (95% interval {ends})" if ends else written


def _fixed(value: float, digits: int) -> str:
    return _signed(f"{value:.{digits}f}")


def _signed(written: str) -> str:
    """A true minus; none before a zero."""
    if not written.startswith("-"):
        return written
    return MINUS + written[1:] if written.strip("-0.") else written[1:]
