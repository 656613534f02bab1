"""A chat template comes with a model, so a stranger wrote it: it is run in transformers' sandbox, and for a time.

The sandbox keeps a template from Python and bounds one `range`, not a loop inside a loop. So rendering that takes more
than `SECONDS` is interrupted, from another thread, where the interpreter next looks; templates are interpreted code,
so that is soon. A text that has grown beyond `LONGEST` characters is refused.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable

from adhere.core.errors import UserError

SECONDS = 20.0
"""Templates render in milliseconds; the rest is for a busy machine."""
LONGEST = 50_000_000
LONGEST_TEMPLATE = 1_000_000
"""Characters."""


class _TookTooLong(BaseException):
    """Raised in the thread that renders."""


def render_bounded(template: object, render: Callable[[], str], seconds: float = SECONDS) -> str:
    """What `render` returns.

    Args:
        template: the template's text, for its length.
        render: applies it.
        seconds: on the clock.

    Raises:
        UserError: the template takes too long, or writes or is too much.
    """
    if isinstance(template, str) and len(template) > LONGEST_TEMPLATE:
        raise UserError(f"the model's chat template has {len(template):,} characters; the most is {LONGEST_TEMPLATE:,}")
    interrupt = ctypes.pythonapi.PyThreadState_SetAsyncExc
    thread = ctypes.c_ulong(threading.get_ident())
    lock, over = threading.Lock(), False

    def ring() -> None:
        with lock:
            if not over:
                interrupt(thread, ctypes.py_object(_TookTooLong))

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        try:
            text = render()
        finally:
            with lock:
                over = True
            timer.cancel()
            interrupt(thread, None)  # one that was set as we ended
    except (_TookTooLong, MemoryError):
        raise UserError("the model's chat template does not end: use a model whose template is mended") from None
    if len(text) > LONGEST:
        raise UserError(f"the model's chat template writes {len(text):,} characters")
    return text
