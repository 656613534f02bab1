"""Write the reference pages, or with `--check` say which are out of date."""

from __future__ import annotations

import sys

from scripts.reference import ROOT, pages, stale


def main() -> int:
    wanted = pages()
    out_of_date = stale(wanted)
    for path in out_of_date:
        print(path.relative_to(ROOT))
    if "--check" in sys.argv[1:]:
        return 1 if out_of_date else 0
    for path in out_of_date:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
