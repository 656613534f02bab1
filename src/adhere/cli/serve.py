"""`adhere serve`: the gateway in front of a model, as a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adhere.cli.engine_options import engine_options


def _new_key(wanted: bool) -> None:
    if wanted:
        from adhere.gateway.policy import policy

        key, kept = policy.new_key()
        typer.echo(f"{key}\nin the policy: key: {kept}")
        raise typer.Exit


@engine_options()
def serve(
    upstream: Annotated[
        str,
        typer.Option(
            "--upstream",
            metavar="MODEL",
            help="The model's API up to /v1, or a model on this machine: `pocket`, `smollm2`, a GGUF file, a folder.",
        ),
    ],
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8100,
    charter: Annotated[
        Path | None, typer.Option("--charter", metavar="DIR", help="Charter folder.", show_default=False)
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="YAML policy: what applies to which client.", show_default=False),
    ] = None,
    speaks: Annotated[str, typer.Option("--speaks", help="The upstream's API: chat or messages.")] = "chat",
    key_env: Annotated[
        str | None,
        typer.Option(
            "--key-env", metavar="NAME", help="Environment variable with the upstream's key.", show_default=False
        ),
    ] = None,
    prefill: Annotated[
        bool, typer.Option("--prefill", help="The upstream continues the beginning of an answer.")
    ] = False,
    constrained: Annotated[
        bool, typer.Option("--constrained", help="The upstream takes `constraints` and masks tokens.")
    ] = False,
    attempts: Annotated[int, typer.Option("--attempts", min=0, max=20, help="Repairs of one answer, at most.")] = 2,
    tokens: Annotated[
        int | None,
        typer.Option(
            "--tokens", min=1, help="Completion tokens of one answer with its repairs, at most.", show_default=False
        ),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="Time for one answer with its repairs.")] = 120.0,
    exhausted: Annotated[
        str,
        typer.Option("--when-exhausted", help="What to do when the repair budget runs out: flag, refuse, or human."),
    ] = "refuse",
    release: Annotated[
        str,
        typer.Option(
            "--release",
            help="met: release only prefixes that satisfy every constraint; doomed: release until a violation is "
            "certain.",
        ),
    ] = "met",
    decompose: Annotated[bool, typer.Option("--decompose", help="Repair failed constraints one at a time.")] = False,
    read_prompt: Annotated[
        bool, typer.Option("--read-prompt", help="Read constraints from the prompt's words, too.")
    ] = False,
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also-upstream",
            metavar="URL=WEIGHT",
            help="Another server of the same model; one of weight 0 is asked when the others fail. May be repeated.",
            show_default=False,
        ),
    ] = None,
    drain: Annotated[
        float, typer.Option("--drain", min=0, help="Seconds for which running answers may go on after SIGTERM.")
    ] = 30.0,
    tls_cert: Annotated[
        Path | None,
        typer.Option("--tls-cert", metavar="FILE", help="Serve TLS with this certificate (PEM).", show_default=False),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="FILE", help="The certificate's key.", show_default=False)
    ] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(
            "--tls-client-ca",
            metavar="FILE",
            help="Ask clients for a certificate of this authority.",
            show_default=False,
        ),
    ] = None,
    access_log: Annotated[
        Path | None,
        typer.Option(
            "--access-log", metavar="FILE", help="One line of JSON for each request; - prints.", show_default=False
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Read the policy again when its file changes; SIGHUP always does."),
    ] = False,
    new_key: Annotated[
        bool,
        typer.Option(
            "--new-key",
            is_eager=True,
            callback=_new_key,
            help="Make a key for a client or the console, print it and its hash for the policy, and exit.",
        ),
    ] = False,
) -> None:
    """Serve a gateway in front of a model that makes constraints hold.

    It speaks OpenAI's and Anthropic's APIs: point a client's base URL here and put `constraints` into the request's
    body. The field `adhere` of every answer says what was checked.
    """
    del new_key
    from adhere.api.gateway_server import Operation
    from adhere.api.serve import serve as run
    from adhere.core.terminal import visible

    run(
        upstream,
        host=host,
        port=port,
        charter=charter,
        policy=policy,
        speaks=speaks,  # type: ignore[arg-type]  # the use case looks at it
        key_env=key_env,
        prefill=prefill,
        constrained=constrained,
        attempts=attempts,
        tokens=tokens,
        seconds=seconds,
        exhausted=exhausted,  # type: ignore[arg-type]
        release=release,  # type: ignore[arg-type]
        decompose=decompose,
        read_prompt=read_prompt,
        also=also or (),
        operation=Operation(drain, tls_cert, tls_key, tls_client_ca, access_log, watch),
        notice=lambda line: typer.echo(visible(line)),
    )
