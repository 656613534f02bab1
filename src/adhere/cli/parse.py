"""`adhere parse` and `adhere check-prompts`: what an instruction is read as."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adhere.cli.options import Json

if TYPE_CHECKING:
    from rich.text import Text

    from adhere.constraints.instructions.proposing import Proposed
    from adhere.constraints.instructions.reading import Reading


def parse(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The instruction; `-` reads standard input.")],
    about: Annotated[
        float, typer.Option(min=0.0, max=0.5, help='How far "about n" may be off, each way, as a share of n.')
    ] = 0.2,
    language: Annotated[
        str | None,
        typer.Option(help="Word list to read with: en, es, fr, de, ja, zh.", show_default="each sentence's own"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A model of Inspect that proposes readings of what was not understood; one counts only if the grammar "
            "and a round trip confirm it.",
            show_default=False,
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Show which constraints a text states, and which clauses were not understood.

    A clause that was not understood states no constraint and is not enforced. Understood clauses are green, others
    yellow.
    """
    import sys

    from adhere.cli import console as output
    from adhere.constraints.instructions.languages import CODES
    from adhere.constraints.instructions.reading import read_instructions
    from adhere.core.errors import UserError
    from adhere.core.terminal import visible

    if language is not None and language not in CODES:
        raise UserError(f"no word list for {language!r}; there are {', '.join(CODES)}")
    written = sys.stdin.read() if text == "-" else text
    reading = read_instructions(written, about=about, language=language)
    proposed = _proposed(model, reading) if model else ()
    if json is not None:
        _write(json, reading, proposed)
    console = output.results()
    console.print(_coloured(reading))
    console.print()
    for clause in reading.understood:
        for constraint in clause.constraints:
            console.print(f"{constraint.kind:22} {visible(constraint.describe())}", style="green")
    for missed in reading.not_understood:
        console.print(f"{'not understood':22} {visible(missed.text)}: {missed.why}", style="yellow")
    for one in proposed:
        console.print(f"{one.constraint.kind:22} {visible(one.constraint.describe())} (proposed for", end=" ")
        console.print(f"{visible(one.clause.text)!r})")
    if not reading.understood and not reading.not_understood:
        console.print("It states nothing that can be checked.", style="dim")


def _coloured(reading: Reading) -> Text:
    from rich.text import Text

    from adhere.core.terminal import visible

    text = Text()
    at = 0
    spans = [(clause.span, "green") for clause in reading.understood]
    spans += [(missed.span, "yellow") for missed in reading.not_understood]
    for span, style in sorted(spans, key=lambda one: one[0].start):
        if span.start < at:
            continue
        text.append(visible(reading.text[at : span.start]))
        text.append(visible(reading.text[span.start : span.end]), style=f"{style} underline")
        at = span.end
    text.append(visible(reading.text[at:]))
    return text


def _proposed(model: str, reading: Reading) -> tuple[Proposed, ...]:
    import asyncio

    from inspect_ai.model import GenerateConfig, get_model

    from adhere.constraints.instructions.proposing import propose
    from adhere.core.errors import UserError

    async def ask(prompt: str) -> str:
        return (await named.generate(prompt)).completion

    try:
        named = get_model(model, config=GenerateConfig(temperature=0.0))
        return asyncio.run(propose(reading, ask))
    except Exception as error:  # a provider's own: unknown, not installed, no key, not reached
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"--model {model}: {first}") from error


def _write(path: Path, reading: Reading, proposed: tuple[Proposed, ...]) -> None:
    import json

    from adhere.core.files import write_text

    record = reading.to_json()
    if proposed:
        record["proposed"] = [
            {"text": one.clause.text, "sentence": one.sentence, "constraint": one.constraint.to_json()}
            for one in proposed
        ]
    write_text(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def check_prompts(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Prompts with their instructions, ours or a benchmark's; `-` is stdin."),
    ],
    json: Json = None,
) -> None:
    """Find prompts whose words and stated instructions disagree.

    Every prompt is read, and what is read is compared with what its record lists. Exit code 1 if any disagrees.
    """
    import json as encoder

    from adhere.api.check_prompts import check_file
    from adhere.cli import console as output
    from adhere.cli.inputs import readable
    from adhere.core.files import write_text
    from adhere.core.terminal import visible

    checked = list(check_file(readable(file)))
    disagreements = [one for prompt in checked for one in prompt.disagreements]
    if json is not None:
        write_text(json, encoder.dumps([one.to_json() for one in disagreements], indent=1, ensure_ascii=False) + "\n")
    console = output.results()
    for one in disagreements:
        console.print(f"{visible(one.key)}: {visible(one.clause)!r}", style="bold")
        console.print(f"  read    {visible(one.read.describe())}")
        console.print(f"  listed  {visible(one.listed.describe())}")
        console.print(f"  {one.why}", style="yellow")
    console.print(
        f"{len({one.key for one in disagreements})} of {len(checked)} prompts disagree with their list", style="dim"
    )
    if disagreements:
        raise typer.Exit(1)
