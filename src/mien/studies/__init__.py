"""The papers' systems, run and explained: what a study asks for, what its runs measured, and a page of both."""
