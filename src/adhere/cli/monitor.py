"""`adhere monitor ...`: train the gateway's fast classifier, and read single texts with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adhere.cli.options import Json, Seed
from adhere.core.errors import UserError

if TYPE_CHECKING:
    from adhere.core.findings import Finding
    from adhere.gateway.monitors.training import Share, Study

app = typer.Typer(help="Train and read the gateway's injection classifier.", no_args_is_help=True)


@app.command("train")
def train(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="attack/ and benign/ of your own, or the public sets.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the classifier goes (.npz).")],
    json_file: Json = None,
    seed: Seed = 0,
) -> None:
    """Train the fast classifier, and say how it does on attacks and harmless texts of kinds it never saw."""
    from rich.console import Console
    from rich.progress import Progress

    from adhere.core import findings
    from adhere.gateway.monitors import corpora, training

    if out.suffix != ".npz":
        raise UserError(f"{out}: name a file that ends in .npz")
    found = corpora.load(data)
    for name in corpora.missing(data):
        typer.echo(f"not there, left out: {name}", err=True)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        kinds = [corpus.attack for corpus in found]
        pairs = kinds.count(True) * kinds.count(False)
        work = progress.add_task("reading", total=len(found) + training.FOLDS + pairs + 2)
        rows = training.table(found)
        progress.advance(work)

        def step(what: str) -> None:
            progress.update(work, advance=1, description=f"without {what}" if "fold" not in what else what)

        studied = training.study(found, rows, seed, step)
        model = training.train(found, rows, studied, seed)
        progress.advance(work)
    model.save(out)
    command = f"adhere monitor train {data} --out {out} --seed {seed}"
    results = _findings(studied, command)
    _tables(studied)
    typer.echo(f"{out}: trained on {len(rows.of_text):,} texts; thresholds that hold on unseen sources are on its card")
    if json_file is not None:
        findings.write(json_file, results)
        typer.echo(f"{len(results)} findings: {json_file}")


def _findings(study: Study, command: str) -> list[Finding]:
    from adhere.core.findings import Finding
    from adhere.measure.statistics.rates import wilson

    groups = (
        ("monitor.recall", study.caught, "texts of an attack family left out of training"),
        ("monitor.false_alarm", study.alarms, "texts of a harmless source left out of training"),
        ("monitor.false_alarm.seen_threshold", study.alarms_seen, "texts of a harmless source left out of training"),
    )
    calibrated = [
        Finding(
            what="monitor.recall.calibrated",
            subject={
                "left_out": row.name,
                "false_alarm_rate": rate,
                "worst": row.worst,
                "worst_source": row.worst_source,
            },
            estimate=row.share,
            interval=wilson(row.share * row.n, row.n),
            n=row.n,
            unit="texts of an attack family left out of training together with the source that sets the threshold",
            recompute=command,
        )
        for rate, rows in study.calibrated.items()
        for row in rows
    ]
    return calibrated + [
        Finding(
            what=what,
            subject={"left_out": share.name, "false_alarm_rate": rate},
            estimate=share.met / share.n,
            interval=wilson(share.met, share.n),
            n=share.n,
            unit=unit,
            recompute=command,
        )
        for what, by_rate, unit in groups
        for rate, shares in by_rate.items()
        for share in shares
    ]


def _tables(study: Study) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table(
        title="Attacks caught, family and source left out, threshold set on the source, for",
        title_justify="left",
        box=None,
    )
    for name in ("left out", *(f"{rate:.0%}" for rate in study.calibrated), "n"):
        table.add_column(name, justify="left" if name == "left out" else "right")
    for rows in zip(*study.calibrated.values(), strict=False):
        cells = [f"{_interval(row.share * row.n, row.n)} ({row.worst:.2f})" for row in rows]
        table.add_row(rows[0].name, *cells, f"{rows[0].n:,}")
    console.print(table)
    console.print()
    for title, groups in (
        ("Attacks caught, family left out of training, at a false-alarm rate on unseen sources of", study.caught),
        ("False alarms, source left out of training, at the threshold for", study.alarms),
        (
            "False alarms, source left out, at the threshold that holds on seen sources, for",
            study.alarms_seen,
        ),
    ):
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        table.add_column("left out")
        for rate in groups:
            table.add_column(f"{rate:.0%}", justify="right")
        table.add_column("n", justify="right")
        for place, first in enumerate(next(iter(groups.values()))):
            cells = [_share(shares[place]) for shares in groups.values()]
            table.add_row(first.name, *cells, f"{first.n:,}")
        console.print(table)
        console.print()


def _share(share: Share) -> str:
    return _interval(share.met, share.n)


def _interval(met: float, n: int) -> str:
    from adhere.measure.statistics.rates import wilson

    low, high = wilson(met, n)
    return f"{met / n:.2f} [{low:.2f}, {high:.2f}]"


@app.command("read")
def read(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A classifier that `monitor train` wrote.")],
    texts: Annotated[
        list[Path] | None, typer.Argument(help="Texts to read; standard input where none is named.")
    ] = None,
) -> None:
    """Print the score of each text, and which of the card's thresholds it passes."""
    from adhere.gateway.monitors import classifier

    model = classifier.load(file)
    for path in texts or [Path("-")]:
        try:
            text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from error
        score = model.score(text)
        passed = [rate for rate, threshold in model.card.get("thresholds", {}).items() if score >= threshold]
        line = f"above the threshold for {float(passed[0]):.0%} false alarms" if passed else "below all thresholds"
        typer.echo(f"{score:.4f}  {line}  {path}")
