"""Finding the place in a response where it states its answer.

Rules, the same for every domain and every arm, none of which knows the right answer:
1. `\\boxed{...}`, the last one; GSM8K's `#### ...`, the last one.
2. A JSON field named answer, final_answer or result.
3. The last cue: "answer:", "A:", "the answer is", "the final answer is", "answer =" and their like, in any case and
   with any emphasis around it; the answer is the rest of its line, or the next line with anything on it.
4. Nothing: the caller decides (math takes the last value, QA the last line).
"""

from __future__ import annotations

import re

_BOXED = re.compile(r"\\(?:boxed|fbox|framebox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_HASHES = re.compile(r"^[ \t>*_]*#{4}[ \t]+(\S.*)$", re.MULTILINE)
_JSON = re.compile(
    r"[\"'](?:final[_ ]?)?(?:answer|result)[\"']\s*:\s*(\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^,}\]\n]+)", re.IGNORECASE
)
_CUE = re.compile(
    r"(?:^|[\s(\[{>*_#\"“])"
    r"(?:(?:final|correct|my|short|the)[\s*_]+)*"
    r"(?:answer\b[^\n:=.]{0,60}?[*_\"]*(?:\s*[:=]|\s+(?:is|was|would\s+be|are|equals)\b[*_\"]*\s*:?)|(?<![A-Za-z])A\s*:)"
    r"[ \t]*[*_\"]*[ \t]*([^\n]*)",
    re.IGNORECASE,
)
_NEXT = re.compile(r"\s*([^\n]+)")


def boxed(text: str) -> str | None:
    """The contents of the last `\\boxed{}`; None where there is none or it is never closed."""
    starts = {match.end() - 1: match.end() for match in _BOXED.finditer(text)}
    if not starts:
        return None
    inside, open_braces = None, []
    for match in _BRACE.finditer(text, min(starts)):
        if match[0] == "{":
            open_braces.append(starts.get(match.start()))
        elif match[0] == "}" and open_braces and (start := open_braces.pop()) is not None:
            inside = text[start : match.start()]
    return inside


def stated(text: str) -> str | None:
    """The words in which `text` states its answer, None where nothing marks them. Never empty."""
    if (inside := boxed(text)) is not None and inside.strip():
        return inside.strip()
    if hashes := _HASHES.findall(text):
        return str(hashes[-1]).strip()
    if fields := _JSON.findall(text):
        value = str(fields[-1]).strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        if value.strip():
            return value.strip()
    for match in reversed(list(_CUE.finditer(text))):
        words = match[1].strip()
        if not words.strip("*_ \"'`$:."):
            after = _NEXT.match(text, match.end())
            words = after[1].strip() if after else ""
        if words.strip("*_ \"'`$:."):
            return words
    return None
