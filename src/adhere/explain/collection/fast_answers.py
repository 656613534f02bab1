"""Answers by llama.cpp to prompts that torch then replays: many times as many tokens a second on a CPU.

Rules:

- Both read the same tokens: prompts are rendered here, by the opened model's tokenizer, and the tokens that llama.cpp
  wrote are kept as they are.
- The weights are the same; llama.cpp rounds activations to eight bits as it multiplies, torch does not.
- An answer is appended to a journal when it ends, under its seed. `kill -9` loses the answers under way.
- An answer that has become a loop is ended there; like one that reached its limit it did not end by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from adhere.explain.cases.labels import Prompt, Response
from adhere.explain.collection.sampling import TEMPERATURE, Answered, encode
from adhere.models.engines.llamacpp import Completion, LlamaServer
from adhere.models.forward.tokenmap import end_token
from adhere.models.generation.detokenizer import Detokenizer

if TYPE_CHECKING:
    from adhere.models.load import OpenModel

EACH_SLOT = 2
"""Requests for each slot: one is answered, one waits to take its place."""


class FastAnswers:
    """llama.cpp's server as an `Answering`.

    Args:
        server: started by the first answer; whoever made it closes it.
        opened: the same model in torch.
        journal: of answers, by seed.
        max_tokens: of an answer.
        temperature: of sampling.
    """

    def __init__(
        self,
        server: LlamaServer,
        opened: OpenModel,
        journal: Path,
        max_tokens: int,
        temperature: float = TEMPERATURE,
    ) -> None:
        self._server = server
        self._opened = opened
        self._journal = journal
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._end = end_token(opened)

    def __call__(
        self, prompts: Sequence[Prompt], seeds: Sequence[int], *, progress: Callable[[int], None] | None = None
    ) -> list[Response]:
        """Answers in the order of the prompts.

        Raises:
            UserError: llama.cpp refuses a prompt, or ends again and again.
        """
        answers = {seed: answer for seed, answer in _kept(self._journal) if seed in set(seeds)}
        if progress and answers:
            progress(len(answers))
        missing = [(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True) if seed not in answers]
        _end_last_line(self._journal)

        def note(seed: int, answer: Answered) -> None:
            answers[seed] = answer
            record = {"seed": seed, "tokens": answer.tokens, "text": answer.text, "ended": answer.ended}
            with self._journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
            if progress:
                progress(1)

        asyncio.run(self._ask(missing, note))
        return [
            Response(prompt, answers[seed].tokens, answers[seed].text, answers[seed].ended)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]

    async def _ask(self, missing: list[tuple[Prompt, int]], note: Callable[[int, Answered], None]) -> None:
        waiting = list(reversed(missing))
        async with httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=None)) as client:

            async def work() -> None:
                while waiting:
                    prompt, seed = waiting.pop()
                    tokens = encode(self._opened, prompt.messages)
                    completion = await self._server.complete(
                        client, tokens, max_tokens=self._max_tokens, temperature=self._temperature, seed=seed
                    )
                    note(seed, self._answered(completion))

            async with asyncio.TaskGroup() as group:
                for _ in range(min(len(missing), EACH_SLOT * self._server.slots)):
                    group.create_task(work())

    def _answered(self, completion: Completion) -> Answered:
        ended = completion.ended == "stop"
        tokens = tuple(token for token in completion.tokens if token not in self._opened.end_ids)
        detokenizer = Detokenizer(self._opened.tokenizer)
        text = "".join(detokenizer.push(token) for token in tokens) + detokenizer.flush()
        return Answered((*tokens, self._end) if ended else tokens, text, ended)


def _end_last_line(journal: Path) -> None:
    """Let what is appended begin on a line of its own, after a line that was cut off."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("ab+") as file:
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")


def _kept(journal: Path) -> Iterator[tuple[int, Answered]]:
    """The answers of earlier runs; a line that was cut off is passed over."""
    with contextlib.suppress(FileNotFoundError), journal.open(encoding="utf-8") as file:
        for line in file:
            with contextlib.suppress(ValueError, KeyError):
                record = json.loads(line)
                yield record["seed"], Answered(tuple(record["tokens"]), record["text"], record["ended"])
