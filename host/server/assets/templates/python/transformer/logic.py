"""Plain functions, for `python3 -m unittest`."""


def summary(fields: list[tuple[str, str | None]]) -> dict:
    """Found texts by path, and the paths that were looked for in vain."""
    return {
        "found": {path: raw for path, raw in fields if raw is not None},
        "missing": [path for path, raw in fields if raw is None],
    }
