"""One thread: on a shared machine several threads on small matrices cost more than they give."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
