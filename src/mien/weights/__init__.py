"""The bundles that ship with the package, a folder each."""

DEFAULT = "mien-small"
