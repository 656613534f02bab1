"""Python's parser, one thread at a time.

CPython up to 3.12 counts the parser's depth for the interpreter, not for the thread (python/cpython issue 106905):
where two threads parse at once, either may fail with a `SystemError` that has nothing to do with its text. Graders may
be called from any thread, so all of them take this lock.
"""

from __future__ import annotations

import threading

PARSER = threading.Lock()
