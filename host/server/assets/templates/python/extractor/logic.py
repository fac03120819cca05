"""Plain functions, for `python3 -m unittest`."""


def value_behind(text: str, label: str) -> tuple[int, int] | None:
    """Begin and end of the rest of the line behind a label, in code points; None if there is none."""
    at = text.find(label)
    if at < 0:
        return None
    begin = at + len(label)
    line = text[begin:].split("\n", 1)[0]
    value = line.strip()
    if not value:
        return None
    start = begin + line.index(value)
    return start, start + len(value)
