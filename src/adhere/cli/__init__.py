"""The command line. Each command is one file; `app` lists them.

A module here imports nothing heavy at its top: numpy, torch, transformers and inspect_ai are imported inside the
commands that need them, so that `adhere --help` answers at once.
"""

from __future__ import annotations

import os
import sys

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Read once by numpy's and torch's libraries when they load. One thread each: work is spread over processes, and
several threads of a linear-algebra library on a shared machine run many times slower than one."""


def main() -> None:
    """Run the command line and exit with one of `exit_codes.EXIT_CODES`."""
    for name in THREADS:
        os.environ.setdefault(name, "1")
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a terminal that cannot show a character shows an escape: no crash after the work
            reconfigure(errors="backslashreplace")
    raise SystemExit(run(sys.argv[1:]))


def run(args: list[str]) -> int:
    """Run the command that `args` state, and give its exit code."""
    import typer

    from adhere.cli.app import app
    from adhere.cli.exit_codes import DONE, INTERRUPTED, MISTAKE, PIPE_CLOSED
    from adhere.core.errors import UserError
    from adhere.core.extras import naming_extras
    from adhere.core.terminal import visible

    try:
        with naming_extras():
            code = typer.main.get_command(app).main(args, prog_name="adhere", standalone_mode=False)
    except typer.TyperException as error:
        line = visible(error.format_message())
        if "NoArgsIsHelp" not in type(error).__name__:  # help was printed
            context = getattr(error, "ctx", None)
            words = f"; see {context.command_path} --help" if context else ""
            print(f"adhere: {line.rstrip('.')}{words}", file=sys.stderr)
        return error.exit_code
    except UserError as error:
        print(f"adhere: {visible(error)}", file=sys.stderr)
        return MISTAKE
    except RecursionError:  # no input of sense is nested as deeply as our readers go
        print("adhere: an input is nested too deeply to be read", file=sys.stderr)
        return MISTAKE
    except (typer.Abort, KeyboardInterrupt):
        print("adhere: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    return code if isinstance(code, int) else DONE
