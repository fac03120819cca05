"""Plain functions, for `python3 -m unittest`."""

import re


def words(text: str) -> list[str]:
    """A text cut behind its blanks, so that the pieces give it again."""
    return [piece for piece in re.findall(r"\S*\s*", text) if piece]
