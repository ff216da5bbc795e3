"""A SentencePiece vocabulary as an ordinary Hugging Face tokenizer with Llama-3's header tokens.

SentencePiece trains the BPE pieces, and the result is saved as ``tokenizer.json``, so that reading it needs neither
SentencePiece nor protobuf. The special tokens are pieces from the start: none is added to the vocabulary later, so no
embedding row stays untrained or unsaved.
"""

from __future__ import annotations

import io
from collections.abc import Iterable

import sentencepiece
from transformers import LlamaTokenizer

BEGIN, HEADER_START, HEADER_END, END_OF_TURN, PAD = SPECIAL_TOKENS = (
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|pad|>",
)


def train_tokenizer(sentences: Iterable[str], vocabulary_size: int = 512) -> LlamaTokenizer:
    """Trains a BPE vocabulary with byte fallback: any text is encoded and decoded without loss.

    Arguments
    ---------
    sentences : Iterable[str]
        The training text.
    vocabulary_size : int
        Most pieces, including the 256 bytes and the special tokens; fewer for a small text.

    Returns
    -------
    LlamaTokenizer
        It has eos ``<|eot_id|>`` and pad ``<|pad|>``, and adds no special tokens itself.

    Example
    -------
    >>> tokenizer = train_tokenizer(["an old man speaks slowly"] * 3)
    >>> tokenizer.decode(tokenizer.encode('an old  man, "Ü"\\n'))
    'an old  man, "Ü"\\n'
    >>> len(tokenizer.encode("<|eot_id|>"))
    1
    """
    pieces = _train_pieces(sentences, vocabulary_size)
    vocabulary = {piece: index for index, (piece, _) in enumerate(pieces)}
    return LlamaTokenizer(
        vocab=vocabulary,
        merges=_merges(dict(pieces), vocabulary),
        unk_token="<unk>",
        bos_token=BEGIN,
        eos_token=END_OF_TURN,
        pad_token=PAD,
        additional_special_tokens=[HEADER_START, HEADER_END],
        add_bos_token=False,
        add_prefix_space=False,
    )


def _train_pieces(sentences: Iterable[str], vocabulary_size: int) -> list[tuple[str, float]]:
    """Pieces and scores by id, in memory and with one thread, so that the result is the same everywhere."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=model,
        model_type="bpe",
        vocab_size=vocabulary_size,
        hard_vocab_limit=False,
        byte_fallback=True,
        character_coverage=1.0,
        control_symbols=list(SPECIAL_TOKENS),
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=False,
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.get_piece_size())]


def _merges(scores: dict[str, float], vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    """All pairs of pieces that form a piece, best score first: SentencePiece's BPE as a list of merges."""
    pairs = [
        (scores[piece], piece[:cut], piece[cut:])
        for piece in scores
        for cut in range(1, len(piece))
        if piece[:cut] in vocabulary and piece[cut:] in vocabulary
    ]
    pairs.sort(key=lambda pair: (-pair[0], vocabulary[pair[1]], vocabulary[pair[2]]))
    return [(left, right) for _, left, right in pairs]
