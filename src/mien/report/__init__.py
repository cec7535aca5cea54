"""One file about one or several models: a page, an appendix, tables for a paper, or data."""
