"""Plain functions, for `python3 -m unittest`."""

import math
import re


def word_lengths(text: str, most: int) -> list[float]:
    """How many words of a text have each length, up to `most`; scaled so that the vector's length is 1."""
    counts = [0.0] * most
    for word in re.findall(r"\w+", text):
        counts[min(len(word), most) - 1] += 1
    length = math.hypot(*counts)
    return [count / length for count in counts] if length else counts
