"""What others published, checked by arithmetic: read figures with ``load``, check them with ``check``."""

from mien.evaluation.published.background import History, PublishedLayer, PublishedShares
from mien.evaluation.published.chance import shuffled
from mien.evaluation.published.consistency import check
from mien.evaluation.published.figures import Finding, Published, load, parse

__all__ = ["Finding", "History", "Published", "PublishedLayer", "PublishedShares", "check", "load", "parse", "shuffled"]
