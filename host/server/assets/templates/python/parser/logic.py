"""Plain functions, for `python3 -m unittest`."""

import re


def paragraphs(text: str) -> list[str]:
    """Groups of lines between blank lines."""
    groups = re.split(r"\n{2,}", re.sub(r"\r\n?", "\n", text))
    return [group.strip() for group in groups if group.strip()]
