"""The table of commands, grouped by what they are for: measure, explain, enforce, the bundled model.

To add a command: write one file with one function, and one line here.
"""

from __future__ import annotations

from typing import Annotated

import typer

from adhere.cli.lazy import Entry, LazyGroup
from adhere.core.version import VERSION

MEASURE, EXPLAIN, ENFORCE, TRAIN, POCKET = "Measure", "Explain", "Enforce", "Train", "Models"


class Commands(LazyGroup):
    """The commands of `adhere`, in the order in which help lists them."""

    entries = (
        Entry("score", "adhere.cli.score:score", MEASURE, "Score saved responses against their instructions."),
        Entry(
            "audit",
            "adhere.cli.audit:audit",
            MEASURE,
            "Measure how often a model follows its instructions, and write a report.",
            renamed={"--only": "--also", "--with": "--also"},
        ),
        Entry(
            "sustain",
            "adhere.cli.sustain:sustain",
            MEASURE,
            "Measure how much task accuracy a model loses when a self-evident constraint is added (SustainScore).",
            renamed={"--plan": "--write-prompts"},
        ),
        Entry(
            "compare",
            "adhere.cli.compare:compare",
            MEASURE,
            "Compare two runs on the same prompts: which differences are real?",
        ),
        Entry(
            "corrigibility",
            "adhere.cli.corrigibility:corrigibility",
            MEASURE,
            "Measure whether a model yields when it is told to stop: what it says, what it does, whom it follows.",
            renamed={"--tier": "--tiers", "--real": "--real-processes"},
        ),
        Entry(
            "agents",
            "adhere.cli.agents:agents",
            MEASURE,
            "Measure whether agents reach the end that was meant, by permitted acts, at equal budgets of tokens.",
        ),
        Entry(
            "claims",
            "adhere.cli.claims:claims",
            MEASURE,
            "Decide published claims from earlier runs: confirmed, refuted, or cannot tell.",
        ),
        Entry("view", "adhere.cli.view:view", MEASURE, "Browse earlier runs in a local page, and compare two."),
        Entry(
            "export",
            "adhere.cli.export:export",
            MEASURE,
            "Send findings to MLflow, W&B, Langfuse or an OpenTelemetry collector, or write them as CSV.",
        ),
        Entry(
            "constraints",
            "adhere.cli.constraints:constraints",
            MEASURE,
            "List every constraint: its parameters, an example sentence, its skill, whether it decides early.",
        ),
        Entry(
            "parse",
            "adhere.cli.parse:parse",
            MEASURE,
            "Show which constraints a text states, and which clauses were not understood.",
        ),
        Entry(
            "check-prompts",
            "adhere.cli.parse:check_prompts",
            MEASURE,
            "Find prompts whose words and stated instructions disagree.",
        ),
        Entry(
            "explain",
            "adhere.cli.explain:explain",
            EXPLAIN,
            "Find where inside a model instruction following happens, when, and whether the model uses it.",
            renamed={"--again": "--erased-prompts", "--other-model": "--allow-other-model"},
        ),
        Entry(
            "modular",
            "adhere.cli.modular:app",
            EXPLAIN,
            "Train, classify and check networks for modular addition: Clock and Pizza (arXiv 2306.17844).",
        ),
        Entry(
            "serve",
            "adhere.cli.serve:serve",
            ENFORCE,
            "Serve a gateway in front of a model that makes constraints hold.",
        ),
        Entry(
            "warden",
            "adhere.cli.warden.app:app",
            ENFORCE,
            "Manage principals, standing orders, and verified stops for agents.",
            quiet=False,
        ),
        Entry(
            "mcp",
            "adhere.cli.mcp:mcp",
            ENFORCE,
            "Serve check, parse and score as MCP tools for coding agents, on standard input and output.",
            quiet=False,
        ),
        Entry("policy", "adhere.cli.policy:app", ENFORCE, "Check a gateway's policy, and try it on a request."),
        Entry("monitor", "adhere.cli.monitor:app", ENFORCE, "Train and read the gateway's injection classifier."),
        Entry("train", "adhere.cli.train:app", TRAIN, "Tune a model on constraints, and measure what that does."),
        Entry("models", "adhere.cli.models:app", POCKET, "List models that can be downloaded by name, without a hub."),
        Entry(
            "pocket",
            "adhere.cli.pocket:app",
            POCKET,
            "Train, evaluate, and chat with the bundled model.",
            renamed={"--micro": "--batch-tokens"},
        ),
    )


app = typer.Typer(
    name="adhere",
    cls=Commands,
    help="Measure, explain and enforce instruction following of language models.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"adhere {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    del version
