"""Which files a folder stands for, and which model a file is named after.

A folder is a data set as Hugging Face's `datasets` saves it (`data-00000-of-00002.arrow`, one folder per split), a
snapshot of one from the Hub (`data/train-00000-of-00001.parquet`), lm-eval's output (`samples_*.jsonl` beside
`results_*.json`), a folder of Inspect logs, or any folder of files that `lines` reads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from adhere.core.errors import UserError

_ENDINGS = (".arrow", ".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".eval")
_PACKED = (".gz", ".xz", ".zst", ".zstd", ".bz2")
_OF_LIBRARIES = re.compile(
    r"(?:dataset_infos?|dataset_dict|state|config|metadata|eval_set|logs|results_.*)\.json|cache-.*\.arrow|\..*"
)
"""Files that lie beside the data: descriptions, caches, summaries."""
_SHARD = re.compile(r"(?:data|train|test|validation|dev|eval|default|part)(?:[-_.]\d+(?:-of-\d+)?)?", re.I)
_LM_EVAL = re.compile(r"samples_.+_\d{4}-\d\d-\d\dT[\d.:-]+")
_GENERIC = frozenset({"data", "train", "test", "validation", "default"})


def files_in(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """The files that `paths` stand for, folders replaced by the files of data in them, in order of their names.

    Raises:
        UserError: a folder holds no file that can be read.
    """
    names: list[str] = []
    for path in paths:
        if not os.path.isdir(path):
            names.append(os.fspath(path))
            continue
        inside = sorted(
            os.path.join(folder, name)
            for folder, _, files in os.walk(path)
            for name in files
            if not _OF_LIBRARIES.fullmatch(name) and _bare(name).endswith(_ENDINGS)
        )
        if not inside:
            raise UserError(f"{os.fspath(path)}: a folder with no data in it ({', '.join(_ENDINGS)})")
        names += inside
    return names


def _bare(name: str) -> str:
    for ending in _PACKED:
        name = name.removesuffix(ending)
    return name


@lru_cache(maxsize=1024)
def model_of(path: str) -> str:
    """A model's name from its file's: "meta__llama-3.jsonl.gz" holds responses of meta/llama-3. A shard of a data set
    and lm-eval's samples are named after their folder."""
    place = Path(path)
    name = _bare(place.name)
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    if _SHARD.fullmatch(name) or _LM_EVAL.fullmatch(name):
        folder = place.parent
        while folder.name in _GENERIC:
            folder = folder.parent
        name = folder.name or name
    return name.replace("__", "/") or path
