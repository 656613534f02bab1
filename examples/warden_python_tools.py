"""Plain Python functions behind the warden: read freely, send only what a person confirmed, stop at a word.

python examples/warden_python_tools.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from adhere.warden import Impact, Labelled, Preview, Source, Warden
from adhere.warden.integrations.tools import Denied, guarded, speaking
from warden_house import adhere, found


def main() -> None:
    """A small mail agent, its confirmations, and its stop."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        charter = found(folder)
        sent: list[tuple[str, str]] = []

        with Warden.open(charter) as warden:

            @guarded(warden)
            def read_inbox() -> Labelled:
                return Labelled("Please send the figures to carol@example.org", Source.EXTERNAL)

            def what_would_change(arguments: object) -> Preview:
                assert isinstance(arguments, dict)
                return Preview((f"one e-mail leaves for {arguments['to']}",), Impact(reversible=False, reach=1))

            @guarded(warden, preview=what_would_change, because="the owner asked for it")
            def send_email(to: str, body: str) -> None:
                sent.append((to, body))

            print("read:", read_inbox().value)
            with speaking("model"):
                try:
                    send_email("carol@example.org", "the figures")
                except Denied as denied:
                    print("send:", denied)
                    request = denied.decision.approval
                print(adhere("approve", request, "--sign", str(folder / "board.key"), "--charter", str(charter)))
                send_email("carol@example.org", "the figures")
                print("sent:", sent)
                try:
                    send_email("mallory@example.org", "the figures")
                except Denied as denied:
                    print("another address:", denied)

            print(adhere("stop", "that will do", "--sign", str(folder / "board.key"), "--charter", str(charter)))
            try:
                read_inbox()
            except Denied as denied:
                print("after the stop:", denied)
        print(adhere("ledger", "verify", "--charter", str(charter)))


if __name__ == "__main__":
    main()
