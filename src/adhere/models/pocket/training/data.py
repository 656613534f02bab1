"""The batches the pocket model trains on, generated ahead in a separate process.

1. A shard is a pure function of (source, seed, index): about `SHARD_TOKENS` tokens of freshly generated text. The
   stream of shards has no end, no item is read twice, and a run that was killed resumes with the batch that came
   next.
2. Little is spent on padding and nothing attends across items: an item is one row, rows of like length make a batch,
   padded on the right to the longest of them. A batch holds at most `micro` tokens, whatever their length.
3. Every token has a part: PADDING is never scored, ANSWER (what the assistant says, and its `<|end|>`; the whole of a
   plain text) in full, PROMPT with the weight the recipe gives it.
4. The curriculum is a function of the shard's index alone: `progress` rises from 0 to 1 over `ramp` tokens.
5. Process r of w reads the shards r, r + w, r + 2w, ...
6. Neither torch nor transformers is imported here, so that the generating process is small and starts quickly.
"""

from __future__ import annotations

import os
import queue
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adhere.models.pocket.training import tokenizer
from adhere.models.pocket.world import kinds, world

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from adhere.models.pocket.training.recipe import Recipe

PADDING, PROMPT, ANSWER = 0, 1, 2
SHARD_TOKENS = 200_000
AHEAD = 4
"""Shards kept ready in the queue, so that training never waits."""


class Item(NamedTuple):
    """One text: token ids, the part of each, and the family it belongs to."""

    ids: list[int]
    parts: list[int]
    family: str


class Batch(NamedTuple):
    """Rows of like length. `ids` int64 and `parts` uint8 are (rows, length); `families` names each row."""

    ids: NDArray[np.int64]
    parts: NDArray[np.uint8]
    families: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """Where shards come from. `stage` is "base" (plain text) or "instruct" (dialogues)."""

    stage: str
    seed: int
    side: world.Side = "train"
    ramp: int = 0
    micro: int = 2048
    context: int = 512
    shard_tokens: int = SHARD_TOKENS
    split: int = 0


def source_of(recipe: Recipe) -> Source:
    """Where the shards of a run come from."""
    return Source(
        recipe.stage,
        recipe.seed,
        ramp=recipe.ramp,
        micro=recipe.micro,
        context=recipe.context,
        shard_tokens=recipe.shard_tokens,
        split=recipe.split,
    )


class Writer:
    """Turns dialogues and texts into items exactly as the chat template does."""

    def __init__(self, tokens: Tokenizer) -> None:
        self._encode = tokens.encode
        self._id = tokenizer.marks(tokens)

    def _content(self, text: str) -> list[int]:
        return list(self._encode(text, add_special_tokens=False).ids)

    def dialogue(self, dialogue: world.Dialogue) -> Item:
        ids: list[int] = []
        parts: list[int] = []
        for message in dialogue.messages:
            content = [*self._content(message.content), self._id[tokenizer.END]]
            ids += [self._id[tokenizer.ROLES[message.role]], *content]
            parts += [PROMPT, *[ANSWER if message.role == "assistant" else PROMPT] * len(content)]
        return Item(ids, parts, dialogue.family)

    def text(self, text: str) -> Item:
        content = [*self._content(text), self._id[tokenizer.END]]
        return Item([self._id[tokenizer.TEXT], *content], [PROMPT, *[ANSWER] * len(content)], "text")


def samples(source: Source, tokens: Tokenizer, index: int) -> Iterator[Item]:
    """The items of shard `index`, without end; too long ones are left out."""
    writer = Writer(tokens)
    seed = random.Random(f"{source.stage} {source.seed} {index}").getrandbits(48)
    progress = min(1.0, index * source.shard_tokens / source.ramp) if source.ramp else 1.0
    items: Iterable[Item]
    if source.stage == "base":
        items = map(writer.text, world.plain_text(seed, source.side))
    else:
        items = map(
            writer.dialogue, world.dialogues(seed, source.side, progress=progress, split=kinds.drawn(source.split))
        )
    return (item for item in items if len(item.ids) <= source.context)


def shard(source: Source, tokens: Tokenizer, index: int) -> list[Batch]:
    """The batches of shard `index`, in the order in which they are read."""
    rows: list[Item] = []
    total = 0
    for item in samples(source, tokens, index):
        rows.append(item)
        total += len(item.ids)
        if total >= source.shard_tokens:
            break
    batches = list(cut(rows, source.micro, tokenizer.marks(tokens)[tokenizer.PAD]))
    random.Random(f"order {source.seed} {index}").shuffle(batches)
    return batches


def cut(items: Sequence[Item], micro: int, pad: int) -> Iterator[Batch]:
    """Batches of items of like length, each of at most `micro` tokens with its padding (or of one row)."""
    rows: list[Item] = []
    for item in sorted(items, key=lambda item: len(item.ids)):
        if rows and (len(rows) + 1) * len(item.ids) > micro:
            yield _batch(rows, pad)
            rows = []
        rows.append(item)
    if rows:
        yield _batch(rows, pad)


def _batch(items: Sequence[Item], pad: int) -> Batch:
    shape = len(items), max(len(item.ids) for item in items)
    ids = np.full(shape, pad, dtype=np.int64)
    parts = np.full(shape, PADDING, dtype=np.uint8)
    for row, item in enumerate(items):
        ids[row, : len(item.ids)] = item.ids
        parts[row, : len(item.ids)] = item.parts
    return Batch(ids, parts, tuple(item.family for item in items))


class Stream:
    """An endless stream of batches from `start`, generated ahead in a second process.

    Attributes:
        position: (shard, batch) of the batch that comes next; a stream started there continues this one.
    """

    def __init__(
        self,
        source: Source,
        tokens: Tokenizer,
        start: tuple[int, int],
        stride: int = 1,
    ) -> None:
        import multiprocessing

        self.position = start
        self._stride = stride
        self._batches: list[Batch] = []
        context = multiprocessing.get_context("spawn")
        self._queue = context.Queue(AHEAD)
        self._process = context.Process(
            target=_generate, args=(self._queue, source, tokens, start[0], stride), daemon=True
        )
        self._process.start()

    def next(self) -> Batch:
        """The next batch.

        Raises:
            RuntimeError: the generating process failed; the message is its error.
        """
        index, at = self.position
        while not self._batches or at >= len(self._batches):
            if self._batches:
                index, at = index + self._stride, 0
            got, batches, error = self._take()
            if error:
                raise RuntimeError(f"the data process failed: {error}")
            assert got == index, (got, index)
            self._batches = batches
        self.position = (index, at + 1)
        return self._batches[at]

    def _take(self) -> tuple[int, list[Batch], str]:
        while True:
            try:
                return self._queue.get(timeout=5)  # type: ignore[no-any-return]
            except queue.Empty:
                if not self._process.is_alive():
                    return -1, [], "it ended without an error message"

    def close(self) -> None:
        """End the generating process."""
        self._process.terminate()
        self._process.join()
        self._queue.close()


def _generate(
    out: queue.Queue[tuple[int, list[Batch], str]],
    source: Source,
    tokens: Tokenizer,
    first: int,
    stride: int,
) -> None:
    """The generating process. It ends when its parent does, also when that was killed."""
    parent = os.getppid()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    for index in count(first, stride):
        try:
            result = (index, shard(source, tokens, index), "")
        except Exception as error:
            result = (index, [], f"{type(error).__name__}: {error}")
        while os.getppid() == parent:
            try:
                out.put(result, timeout=5)
                break
            except queue.Full:
                continue
        else:
            os._exit(1)
        if result[2]:
            return
