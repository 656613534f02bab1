"""Whether writing out an expression would take more digits than anything in an answer needs.

Computer algebra evaluates integers as it reads them: `9^{9^9}` or `1000000000!` keeps a process busy for hours before
any comparison begins. So powers and factorials of numerals are bounded here, from the inside out, by the digits of
what they come to. It is a shortcut for the plain cases; what it does not see is held by a limit on processor time.
"""

from __future__ import annotations

import math
import re

LONGEST_VALUE = 3_000  # digits
LARGEST_TWICE = 8  # 8!! is small, and (8!)!, as some read it, takes milliseconds
MOST_STEPS = 300  # of rewriting

_SPACING = re.compile(r"\s+|\\(?:left|right|displaystyle|,|;|!|:)")
_TIMES = re.compile(r"\\(?:cdot|times)\b|×|(?<!\*)\*(?!\*)")
_BRACKETED = re.compile(r"[({\[](\d+)[)}\]]")
_FACTORIAL = re.compile(r"(\d+)(!+)")
_POWER = re.compile(r"(\d+)(?:\^|\*\*)\{?(\d+)\}?(?!\d|\^|\*\*|!|\{\^)")
_INSIDE = re.compile(r"(?<=[({\[^])(\d+)([·+])(\d+)(?=[·+)}\]])")
_NUMERAL = re.compile(r"\d+")


def is_too_large(expression: str) -> bool:
    """Whether some power, factorial or numeral in `expression` has more than `LONGEST_VALUE` digits."""
    text = _TIMES.sub("·", _SPACING.sub("", expression))
    if any(len(numeral) > LONGEST_VALUE for numeral in _NUMERAL.findall(text)):
        return True
    for _ in range(MOST_STEPS):
        for pattern, digits, value in ((_FACTORIAL, _factorial_digits, _factorial), (_POWER, _power_digits, _power)):
            match = pattern.search(text)
            if match is not None:
                if digits(match) > LONGEST_VALUE:
                    return True
                text = f"{text[: match.start()]}{value(match)}{text[match.end() :]}"
                break
        else:
            rewritten = _BRACKETED.sub(r"\1", _INSIDE.sub(_combined, text, count=1), count=1)
            if rewritten == text:
                return False
            text = rewritten
    return True


def _factorial_digits(match: re.Match[str]) -> float:
    if len(match[1]) > 6:
        return math.inf
    number = int(match[1])
    if len(match[2]) > 2 or (len(match[2]) == 2 and number > LARGEST_TWICE):
        return math.inf
    return math.lgamma(number + 1) / math.log(10)


def _factorial(match: re.Match[str]) -> int:
    return math.factorial(int(match[1]))


def _power_digits(match: re.Match[str]) -> float:
    base, exponent = match[1], match[2]
    if base.strip("0") in ("", "1") and base.lstrip("0") in ("", "1"):
        return 1
    return math.inf if len(exponent) > 6 else len(base) * int(exponent)


def _power(match: re.Match[str]) -> int:
    base = int(match[1])
    return base if base < 2 else base ** int(match[2])


def _combined(match: re.Match[str]) -> str:
    left, right = int(match[1]), int(match[3])
    return str(left + right if match[2] == "+" else left * right)
