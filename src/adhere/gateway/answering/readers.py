"""The threads in which large requests are read and their constraints built.

They are few and of their own: however many large requests come, the threads in which the warden decides stay free.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

READERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="adhere-reader")
