"""The Inspect provider against transformers' own `generate`: 256 short prompts in one round on the pocket model.

Both answer greedily, up to 32 new tokens, in batches of 64 on one thread. transformers gets the prompts sorted by
length, which is its best setting. Inspect's own `hf` provider stands beside them: it polls once a second.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

PROMPTS, TOKENS, BATCH, ROUNDS = 256, 32, 64, 5


def main() -> None:
    import torch
    from inspect_ai.model import GenerateConfig, get_model

    from adhere.models import pocket
    from adhere.models.load import open_model
    from adhere.models.pocket.world import world

    torch.set_num_threads(1)
    opened = open_model("pocket")
    dialogues = itertools.islice(world.dialogues(0, "test", {"describe": 1.0}), PROMPTS)
    chats = [[{"role": m.role, "content": m.content} for m in d.messages[:-1]] for d in dialogues]
    texts = [opened.render(chat) for chat in chats]

    def direct() -> None:
        tokenizer, model = opened.tokenizer, opened.model
        tokenizer.padding_side = "left"
        ordered = sorted(texts, key=len)
        for start in range(0, len(ordered), BATCH):
            batch = tokenizer(
                ordered[start : start + BATCH], return_tensors="pt", padding=True, add_special_tokens=False
            )
            batch.pop("token_type_ids", None)
            with torch.inference_mode():
                model.generate(**batch, max_new_tokens=TOKENS, do_sample=False)

    ours = get_model("adhere/pocket", opened=opened, batch=BATCH, memoize=False)

    def round_of(model: Any) -> None:
        from inspect_ai.model import ChatMessageSystem, ChatMessageUser

        config = GenerateConfig(max_tokens=TOKENS, temperature=0.0, max_connections=PROMPTS)

        async def ask() -> None:
            messages = [
                [
                    ChatMessageSystem(content=m["content"])
                    if m["role"] == "system"
                    else ChatMessageUser(content=m["content"])
                    for m in chat
                ]
                for chat in chats
            ]
            await asyncio.gather(*(model.generate(one, config=config) for one in messages))

        asyncio.run(ask())

    def provider() -> None:
        round_of(ours)

    contenders = {"transformers generate": direct, "adhere provider": provider}
    try:
        theirs = get_model(
            "hf/pocket", model_path=str(pocket.path()), device="cpu", batch_size=BATCH, memoize=False, do_sample=False
        )
        contenders["Inspect's hf provider"] = lambda: round_of(theirs)
    except Exception as error:
        print(f"Inspect's hf provider could not be opened: {error}")
    wall: dict[str, list[float]] = {name: [] for name in contenders}
    for name, run in contenders.items():
        run()
        print(f"warm: {name}", flush=True)
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            wall[name].append(time.perf_counter() - start)
    base = statistics.median(wall["transformers generate"])
    for name, times in wall.items():
        middle = statistics.median(times)
        pairs = statistics.median(t / b for t, b in zip(times, wall["transformers generate"], strict=True))
        print(f"{name:24} median {middle:6.2f} s  {middle / base:5.2f}x of the median, {pairs:5.2f}x pair by pair")


if __name__ == "__main__":
    main()
