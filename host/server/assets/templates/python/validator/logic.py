"""Plain functions, for `python3 -m unittest`."""

import re


def code_of(path: str) -> str:
    """The code of the check that a field was found."""
    return "has-" + re.sub(r"[^a-z0-9]", "-", path)
