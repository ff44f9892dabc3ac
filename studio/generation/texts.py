"""Texts with gaps on their way through a model: windows, what was made in words, what could be there instead."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.generation.request import GenerationRequest, TextSource
from studio.generation.tokenizers import text_plan, text_tokenizer
from studio.prime.sampling import Denoiser

if TYPE_CHECKING:
    from studio.media.story import Story
    from studio.media.textplan import TextPlan
    from studio.media.words import Word
    from studio.runtime.bundle import Bundle


def laid_out(source: TextSource, bundle: "Bundle") -> "TextPlan":
    """The plan of a text. StudioError where its windows are not those that the source names."""
    plan = text_plan(bundle, source.content)
    if tuple(len(window.y) for window in plan.windows) != source.windows:
        raise StudioError("The windows of this text are no longer laid out so: make the request again.")
    return plan


class TextWindows:
    """A denoiser for the windows of a text side by side. A window is the stretch of tokens that the network sees in
    one call; a token that must begin a word gets only pieces that do."""

    def __init__(self, denoise: Denoiser, source: TextSource, bundle: "Bundle"):
        self.denoise = denoise
        self.subtokens = bundle.subtokens
        self.edges = np.concatenate([[0], np.cumsum(source.windows)])
        plan = laid_out(source, bundle)
        self.allowed = {
            int(start) + position: classes
            for start, window in zip(self.edges, plan.windows, strict=False)
            for position, classes in window.allowed
        }
        self.calls = 0

    def __call__(self, y: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        samples, positions = np.divmod(rows, y.shape[1])
        owners = np.searchsorted(self.edges, positions, side="right") - 1
        logits = np.empty((len(rows), self.subtokens.vocab_size), dtype=np.float32)
        for owner in np.unique(owners):
            start, stop = self.edges[owner : owner + 2]
            here = owners == owner
            shown, local = np.unique(samples[here], return_inverse=True)
            logits[here] = self.denoise(y[shown, start:stop], local * (stop - start) + positions[here] - start)
            self.calls += 1
        for row, position in enumerate(positions):
            classes = self.allowed.get(int(position))
            # A digit that the user pinned may leave no such class; then the pin counts.
            if classes is not None and (classes & self.subtokens.compatible(y[samples[row], position])).any():
                logits[row, ~classes] = -np.inf
        return logits


@dataclass(frozen=True)
class Alternative:
    """A token that could stand at a place. text: what it would add to the text there."""

    token: int
    text: str
    probability: float


def alternatives(
    request: GenerationRequest,
    bundle: "Bundle",
    denoise: Denoiser,
    y: NDArray[np.int64],
    gap: int,
    index: int,
    count: int = 10,
) -> list[Alternative]:
    """The `count` most probable tokens at place `index` of a gap, given everything else in a state y (L, ℓ).

    Probabilities are the network's own, of temperature 1, among the pieces that may stand there. One network call.
    """
    assert isinstance(request.source, TextSource)
    plan = text_plan(bundle, request.source.content)
    position = plan.positions[gap].start + index
    asked = np.array(y, dtype=np.int64)[None]
    asked[0, position] = bundle.subtokens.mask_id
    logits = TextWindows(denoise, request.source, bundle)(asked, np.array([position]))[0].astype(np.float64)
    if not np.isfinite(logits.max()):
        raise StudioError(f"The model {bundle.name} does not work: its logits are not finite; import it again.")
    probabilities = np.exp(logits - logits.max())
    probabilities /= probabilities.sum()
    best = np.argsort(-probabilities, kind="stable")[:count]
    spaced = index == 0 and plan.spaced[gap]
    return [
        Alternative(int(token), plan.fill([token], spaced), float(probabilities[token]))
        for token in best
        if probabilities[token] > 0
    ]


def texts_of(request: GenerationRequest, bundle: "Bundle", y: NDArray[np.int64]) -> list[str]:
    """States (B, L, ℓ), whole or partial, as texts: "░" for an unknown token, ‹n› for one of n that it can be."""
    from studio.media.words import gap_words, rough_text

    source, tokenizer = request.source, text_tokenizer(bundle)
    if isinstance(source, TextSource):
        return ["".join(text for text, _ in text_pieces(request, bundle, sample)) for sample in y]
    if (y == bundle.subtokens.mask_id).any():
        return ["".join(rough_text(gap_words(sample, bundle.subtokens, tokenizer))) for sample in y]
    return [tokenizer.decode(tokens).strip("\n") for tokens in bundle.subtokens.decode(y)]


def text_pieces(request: GenerationRequest, bundle: "Bundle", y: NDArray[np.int64]) -> list[tuple[str, bool]]:
    """One text, y (L, ℓ), in pieces: each with whether it was made (True) or given."""
    from studio.media.words import rough_text

    gaps = iter(words_of(request, bundle, y))
    return [
        ("".join(rough_text(next(gaps))), True) if isinstance(part, int) else (part, False)
        for part in plan_of(request, bundle).parts
    ]


def words_of(
    request: GenerationRequest,
    bundle: "Bundle",
    y: NDArray[np.int64],
    confidence: NDArray[np.floating] | None = None,
    likeliest: NDArray[np.integer] | None = None,
) -> "list[list[Word]]":
    """For each gap of a text its tokens as words, from a state y (L, ℓ), whole or partial, and what its frame says of
    them, (L,) each."""
    from studio.media.words import gap_words

    plan = plan_of(request, bundle)
    return [
        gap_words(
            y[place],
            bundle.subtokens,
            plan.tokenizer,
            spaced=spaced,
            confidence=None if confidence is None else confidence[place],
            likeliest=None if likeliest is None else likeliest[place],
        )
        for place, spaced in zip(plan.positions, plan.spaced, strict=True)
    ]


class Shown(Protocol):
    """What a story needs of a frame: a `Frame` has it, and so has one that was kept."""

    @property
    def step(self) -> int: ...
    @property
    def calls(self) -> int: ...
    @property
    def y(self) -> NDArray[np.integer]: ...
    @property
    def confidence(self) -> NDArray[np.floating] | None: ...
    @property
    def likeliest(self) -> NDArray[np.integer] | None: ...


def story_of(request: GenerationRequest, bundle: "Bundle", frames: "Iterable[Shown]") -> "Story":
    """How a text was filled: its start, then each of the frames, with the request among the facts."""
    from studio.media.story import Story, StoryStep

    def drafts(frame: Shown) -> "list[list[list[Word]]]":
        confidence, likeliest = frame.confidence, frame.likeliest
        return [
            words_of(
                request,
                bundle,
                frame.y[i].astype(np.int64),
                None if confidence is None else confidence[i],
                None if likeliest is None else likeliest[i],
            )
            for i in range(len(frame.y))
        ]

    start = words_of(request, bundle, request.given.unpack())
    steps = [StoryStep(0, 0, [start] * len(request.seeds))]
    steps += [StoryStep(frame.step, frame.calls, drafts(frame)) for frame in frames if frame.step > 0]
    facts = {"model": request.model, "seeds": list(request.seeds), "request": request.model_dump(mode="json")}
    return Story(plan_of(request, bundle).parts, steps, facts)


def plan_of(request: GenerationRequest, bundle: "Bundle") -> "TextPlan":
    """The plan of a request for a text."""
    assert isinstance(request.source, TextSource)
    return text_plan(bundle, request.source.content)
