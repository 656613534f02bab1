"""The pocket model's tokenizer: byte-level BPE, trained on the pocket world's own text.

1. Lossless: `decode(encode(text)) == text` for any text. Bytes are the alphabet, so nothing is unknown.
2. A digit is a token by itself, never merged with its neighbour; the first of a number carries the space
   before it where that is common (" 12" is " 1" "2"). Arithmetic is learnt digit by digit.
3. A turn is `<|role|>content<|end|>`, nothing between turns, roles system, user, assistant. `<|end|>` closes
   every turn and is the end-of-sequence token. Plain text is `<|text|>content<|end|>`.
4. The chat template marks what the assistant says (`{% generation %}`), so that
   `apply_chat_template(..., return_assistant_tokens_mask=True)` names exactly the tokens that training scores.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

PAD, END, TEXT = "<|pad|>", "<|end|>", "<|text|>"
ROLES = {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>"}
SPECIAL = (PAD, END, TEXT, *ROLES.values())

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|end|>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

PIECES = r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s"
"""What may become one token: a word with the space before it, a single digit, a run of signs, white space."""


def fit(texts: Iterable[str], vocab: int, context: int) -> PreTrainedTokenizerFast:
    """A tokenizer of at most `vocab` tokens fitted to `texts`, for a model that reads `context` tokens."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        min_frequency=2,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe,
        bos_token=TEXT,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=list(ROLES.values()),
        chat_template=CHAT_TEMPLATE,
        model_max_length=context,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def load(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer saved in `folder`."""
    from transformers import AutoTokenizer

    tokens: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(folder)  # type: ignore[assignment]
    return tokens


def marks(tokens: Tokenizer) -> dict[str, int]:
    """The ids of the `SPECIAL` tokens."""
    vocabulary = tokens.get_vocab()
    return {mark: vocabulary[mark] for mark in SPECIAL}
