"""The command line. Each command is one file; `app` sets the table.

A module here imports nothing heavy at its top: numpy, torch, transformers and inspect_ai are imported inside
the commands that need them, so that `adhere --help` answers at once.
"""

from __future__ import annotations

import os
import sys

from adhere.core.errors import UserError

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Read once by numpy's and torch's libraries when they load. One thread each: work is spread over processes,
and several threads of a linear-algebra library on a shared machine run many times slower than one."""


def main() -> None:
    """Run the command line; a `UserError` becomes one line and exit code 2, an interrupt exit code 130."""
    for name in THREADS:
        os.environ.setdefault(name, "1")
    from adhere.cli.app import app

    try:
        app(standalone_mode=True)
    except UserError as error:
        print(f"adhere: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("adhere: interrupted; the same command carries on where it stopped", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
