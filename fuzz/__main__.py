"""`python -m fuzz`: try every reader for some minutes; exit code 1 where one did not survive an input."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fuzz.running import guided, run_apart
from fuzz.targets import targets


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="in all (600)")
    parser.add_argument("--inputs", type=int, default=10**9, help="of each target, at most")
    parser.add_argument("--target", choices=sorted(targets()), help="one target; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", action="store_true", help="follow coverage with atheris; needs --target")
    parser.add_argument("--keep", type=Path, help="folder for inputs that were not survived")
    given = parser.parse_args()
    names = [given.target] if given.target else list(targets())
    if given.guided:
        if given.target is None:
            parser.error("--guided needs --target")
        return guided(given.target, given.seconds)
    failed = 0
    for name in names:
        count, crashes = run_apart(name, given.inputs, given.seconds / len(names), given.seed)
        print(f"{name}: {count:,} inputs, {len(crashes)} not survived", flush=True)
        for place, crash in enumerate(crashes):
            print(crash.trace, f"input: {crash.data[:300]!r}", "", sep="\n", flush=True)
            if given.keep is not None:
                given.keep.mkdir(parents=True, exist_ok=True)
                (given.keep / f"{name.replace(' ', '-')}-{place}").write_bytes(crash.data)
        failed += len(crashes)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
