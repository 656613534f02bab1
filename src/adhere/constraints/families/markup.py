"""YAML and XML: the answer is one document of that kind, bare or in one Markdown fence."""

from __future__ import annotations

import re
from typing import Any, ClassVar
from xml.parsers import expat

from adhere.constraints.bases.parameterless import Parameterless
from adhere.constraints.constraint import BROKEN, HOLDS, UNSURE, AtEnd, Check, Monitor
from adhere.constraints.registry import register
from adhere.core.errors import UserError

_FENCE = re.compile(r"\s*```(?:\w{1,12})?[ \t]*\r?\n(?P<inside>[\s\S]*?)(?:\r?\n)?```\s*")
_LONGEST = 4_000_000


def _inside(text: str) -> str:
    """The text without the fence around it."""
    match = _FENCE.fullmatch(text) if text.lstrip().startswith("```") else None
    return match["inside"] if match else text


def _wordings(name: str) -> tuple[re.Pattern[str], ...]:
    """ "In YAML", "valid YAML", "output YAML only"."""
    return (
        re.compile(rf"\b(?:in|as|valid) (?:valid )?{name}\b", re.I),
        re.compile(
            rf"\b(?:output|return|reply with|respond with|answer with|produce|only|use)(?: only)? {name}\b", re.I
        ),
        re.compile(rf"(?:^|(?<=[\n.;,:] ))(?:just |only )?{name}(?: output)? (?:only|please|pls)\b", re.I),
    )


class _Document(Parameterless):
    """A document that a parser must take."""

    name: ClassVar[str]

    def describe(self) -> str:
        return f"Answer in valid {self.name}."

    def monitor(self) -> Monitor:
        return AtEnd(self._judge)

    def _judge(self, text: str) -> Check:
        if len(text) > _LONGEST:
            return Check(UNSURE, f"longer than {_LONGEST:,} characters", wanted=self.name)
        problem = self._problem(_inside(text))
        if problem:
            return Check(BROKEN, f"not {self.name}: {problem[:200]}", wanted=self.name)
        return Check(HOLDS, f"the text is {self.name}", wanted=self.name)

    def _problem(self, text: str) -> str | None:
        raise NotImplementedError


@register
class Yaml(_Document):
    """The answer is YAML, a mapping or a list: any sentence is YAML too, as a scalar, and that is not meant. Both
    profiles judge alike.

    PyYAML's safe loader reads it, events only: nothing is built, so aliases cost nothing.
    """

    kind: ClassVar[str] = "format.yaml"
    name: ClassVar[str] = "YAML"
    pieces: ClassVar[tuple[str, ...]] = ("a: 1\n", "- b\n", "  ", "a", ": ", "```yaml\n", "\n```", "[", "]")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = _wordings("YAML")

    def _problem(self, text: str) -> str | None:
        try:
            import yaml
        except ModuleNotFoundError:
            raise UserError("format.yaml needs PyYAML: pip install pyyaml") from None
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        first: Any = None
        documents = 0
        try:
            for event in yaml.parse(text, Loader=loader):
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                elif first is None and isinstance(event, yaml.NodeEvent):
                    first = event
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = f" in line {mark.line + 1}" if mark else ""
            return f"{getattr(error, 'problem', None) or 'a character that YAML does not allow'}{place}"
        except (RecursionError, ValueError) as error:
            return str(error) or "nested too deep"
        if documents != 1:
            return f"{documents} documents"
        return None if isinstance(first, yaml.CollectionStartEvent) else "neither a mapping nor a list"


@register
class Xml(_Document):
    """The answer is one well-formed XML document. A document type that defines entities is refused: it could grow
    without end. Both profiles judge alike.
    """

    kind: ClassVar[str] = "format.xml"
    name: ClassVar[str] = "XML"
    pieces: ClassVar[tuple[str, ...]] = ("<a>", "</a>", "<b/>", "x", "&amp;", "<", "```xml\n", "\n```", "\n")
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = _wordings("XML")

    def _problem(self, text: str) -> str | None:
        parser = expat.ParserCreate(encoding="utf-8")

        def refuse(*_: Any) -> None:
            raise ValueError("it defines entities")

        parser.EntityDeclHandler = refuse
        text = re.sub(r"^\s*(<\?xml[^>]{0,200}?)\s+encoding=(\"[^\"]{0,40}\"|'[^']{0,40}')", r"\1", text, count=1)
        try:
            parser.Parse(text.strip().encode("utf-8", "surrogatepass"), True)
        except expat.ExpatError as error:
            return f"{expat.ErrorString(error.code)} in line {error.lineno}"
        except ValueError as error:
            return str(error)
        return None
