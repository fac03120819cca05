"""Plain functions, for `python3 -m unittest`."""

import re


def paragraphs(text: str) -> list[tuple[int, int]]:
    """Begin and end of every group of lines between blank lines, in code points."""
    return [match.span() for match in re.finditer(r"\S.*?(?=\s*(?:\n\s*\n|\Z))", text, re.DOTALL)]
