"""Texts with gaps to tokens and back; what the user wrote is never altered."""

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from studio.errors import StudioError


def train_tokenizer(lines: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train a byte-level BPE of exactly `vocab_size` pieces: any text goes in and comes back byte for byte.

    No normaliser, no prefix space, words split by the GPT-2 expression, a newline always a token of its own.
    Raises StudioError when the text is too small for that many pieces.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if vocab_size < len(alphabet):
        raise StudioError(f"A byte-level tokenizer needs at least {len(alphabet)} pieces, not {vocab_size}.")
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    if tokenizer.get_vocab_size() != vocab_size:
        raise StudioError(
            f"The text gives only {tokenizer.get_vocab_size()} pieces, not {vocab_size}: "
            "add more text or choose a smaller vocabulary."
        )
    return tokenizer
