"""International bank account numbers (ISO 13616): where they stand in a text, and whether their check digits are right."""

import re

# A country, two check digits, and 11 to 30 letters and digits, often in groups of four.
_NUMBER = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?:[ \u00a0]?[0-9A-Z]){11,30}(?![0-9A-Za-z])")


def find(text: str) -> list[tuple[int, int]]:
    """Begin and end of every number, in code points."""
    return [match.span() for match in _NUMBER.finditer(text)]


def compact(number: str) -> str:
    """The number without blanks."""
    return "".join(number.split())


def is_valid(number: str) -> bool:
    """Whether the check digits fit: moved to the end, with letters as 10 to 35, the number leaves 1 when divided by 97."""
    number = compact(number)
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}", number):
        return False
    digits = "".join(str(int(letter, 36)) for letter in number[4:] + number[:4])
    return int(digits) % 97 == 1
