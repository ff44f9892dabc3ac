"""A run: one request on its way through the lane, with every frame kept."""

import math
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from studio.errors import Stopped, StudioError
from studio.generation import GenerationRequest, Result, finish, generate
from studio.prime.sampling import Frame
from studio.ui.session_files import MAX_VALUE

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle

State = Literal["waiting", "running", "paused", "stopping", "stopped", "done", "failed"]
OVER: tuple[State, ...] = ("stopped", "done", "failed")
OTHER_DEVICE = (
    "This cannot go on as it began, for here its first steps come out otherwise, as on another device: Branch here "
    "goes on from its last frame."
)


class Network(Protocol):
    """What a run needs of a network: a denoiser of its own, which any thread may stop (`StoppableDenoiser`)."""

    @property
    def provider(self) -> str: ...

    def __call__(self, y: NDArray[Any], rows: NDArray[Any]) -> NDArray[np.float32]: ...

    def stop(self) -> None: ...


Submit = Callable[[Callable[[], None]], object]
"""Hands work to the lane."""
Networks = Callable[["Bundle"], Network]
"""Gives the bundle's denoiser for one run alone; called on the lane."""


@dataclass(frozen=True, eq=False)
class Kept:
    """A frame as it is kept: exact, in the smallest types.

    step 0 is the start. y: unsigned (B, L, ℓ). revealed: bool (B, L, ℓ) packed into bits. confidence: float16
    (B, L), NaN where nothing was drawn, or None. calls and seconds: spent since the run began. likeliest: int32
    (B, L) as in `Frame`, or None where no token is partly known.
    """

    step: int
    steps: int
    calls: int
    seconds: float
    y: NDArray[np.unsignedinteger]
    packed: NDArray[np.uint8]
    confidence: NDArray[np.float16] | None
    likeliest: NDArray[np.int32] | None = None

    @property
    def state(self) -> NDArray[np.int64]:
        """y as `sample` takes it, int64 (B, L, ℓ): a copy."""
        return self.y.astype(np.int64)

    @property
    def revealed(self) -> NDArray[np.bool_]:
        """The digits revealed in this step, bool (B, L, ℓ)."""
        return np.unpackbits(self.packed, count=self.y.size).reshape(self.y.shape).astype(np.bool_)


class Run:
    """One request being made. Any thread may steer it; only the lane advances it, a frame at a time.

    parent: the id of the run and the index of the frame that this one was branched from.

    It is waiting until the lane begins with it; running while it may make frames (`_allowed`, how many more), paused
    while it may not; stopping until the lane comes to it once more; then over for good: stopped, done or failed.
    `_queued` means that the lane has it, or is at it: whoever allows a frame hands it over only if it does not.
    """

    def __init__(
        self,
        request: GenerationRequest,
        bundle: "Bundle",
        submit: Submit,
        network: Networks,
        parent: tuple[str, int] | None = None,
    ):
        self.id = uuid.uuid4().hex
        self.request, self.bundle, self.parent = request, bundle, parent
        self.provider = ""
        self.error: Exception | None = None
        start = np.repeat(request.given.unpack()[None], len(request.seeds), axis=0)
        self._type = np.min_scalar_type(bundle.subtokens.mask_id)
        nothing = np.packbits(np.zeros(start.size, dtype=np.bool_))
        self.frames: list[Kept] = [Kept(0, request.steps, 0, 0.0, start.astype(self._type), nothing, None)]
        """Only grows, and only at its end: readers need no lock."""
        self._submit, self._network = submit, network
        self._lock = threading.Lock()
        self._allowed: float = math.inf
        self._over: State | None = None
        self._stopping = self._queued = self._begun = self._making = self._stored = False
        self._stream: Generator[Frame, None, None] | None = None
        self._denoise: Network | None = None
        self._seconds = 0.0
        self._again = 0
        """So many steps of an earlier session are to be made again, unseen, before it can go on from the last."""
        self._stacked: tuple[int, WeakValueDictionary[str, NDArray[Any]]] = (0, WeakValueDictionary())

    @property
    def recordable(self) -> bool:
        """Whether `record` is small enough for a session: a value of it is at most `MAX_VALUE` bytes."""
        y = self.frames[0].y
        return len(self.frames) * max(y.nbytes, 4 * y[..., 0].size) <= MAX_VALUE

    @property
    def nbytes(self) -> int:
        """What its frames take."""
        first = self.frames[0]
        return len(self.frames) * (first.y.nbytes + first.packed.nbytes + 6 * first.y[..., 0].size)

    @classmethod
    def at_start(cls, request: GenerationRequest, bundle: "Bundle") -> "Run":
        """A run of which only the start is there, to be looked at and branched from; nothing more is made of it."""
        run = cls(request, bundle, lambda work: None, _no_network)
        run._over = "stopped"
        return run

    @classmethod
    def recorded(
        cls,
        request: GenerationRequest,
        bundle: "Bundle",
        record: dict[str, Any],
        submit: Submit,
        network: Networks,
    ) -> "Run":
        """A run of an earlier session from what `record` gave; one that was paused can go on. ValueError where that
        does not fit the request."""
        run = cls(request, bundle, submit, network)
        start = run.frames[0]
        names = ("steps", "y", "packed", "confidence", "likeliest")
        steps, y, packed, confidence, likeliest = (np.asarray(record[name]) for name in names)
        count, shape = len(steps), start.y.shape
        wanted = ((count, 3), (count, *shape), (count, len(start.packed)), (count, *shape[:2]), (count, *shape[:2]))
        for name, array, size in zip(names, (steps, y, packed, confidence, likeliest), wanted, strict=True):
            if array.shape != size:
                raise ValueError(f"{name} do not fit the request")
        if y.dtype != start.y.dtype or packed.dtype != np.uint8 or y.max(initial=0) > bundle.subtokens.mask_id:
            raise ValueError("the states are none of this model")
        run.frames = []
        for k, (step, calls, seconds) in enumerate(steps):
            sure = confidence[k].astype(np.float16) if step else None
            guesses = likeliest[k].astype(np.int32) if (likeliest[k] >= 0).any() else None
            run.frames.append(
                Kept(int(step), request.steps, int(calls), float(seconds), y[k], packed[k], sure, guesses)
            )
        if [kept.step for kept in run.frames] != list(range(count)) or count not in range(1, request.steps + 2):
            raise ValueError("the frames do not follow one another")
        if record["state"] not in (*OVER, "paused"):
            raise ValueError("there is no end")
        if record["state"] == "paused":
            run.pause()
            run._again, run._seconds = count - 1, run.frames[-1].seconds
        else:
            run._over = record["state"]
        run._stored, run.provider = True, str(record["provider"])
        return run

    @classmethod
    def restored(
        cls,
        find: "Callable[[str], Bundle | None]",
        record: dict[str, Any],
        submit: Submit,
        network: Networks,
    ) -> "Run":
        """`recorded`, with its parent; find: gives a model by its name. StudioError where that is not installed as it
        was, KeyError, TypeError or ValueError where the record is damaged."""
        request = GenerationRequest.from_json(record["request"])
        bundle, parent = find(request.model), record["parent"]
        if bundle is None:
            raise StudioError(f"its model {request.model} is not installed any more.")
        if bundle.digest != request.digest:
            raise StudioError(f"its model {request.model} is not installed in that version any more.")
        run = cls.recorded(request, bundle, record, submit, network)
        run.parent = None if parent is None else (str(parent[0]), int(parent[1]))
        return run

    def record(self) -> dict[str, Any]:
        """What `restored` takes: the frames as arrays, exact. One that is not over counts as paused."""
        frames = list(self.frames)
        state = self.state
        if state not in OVER:
            state = "stopped" if state == "stopping" else "paused"
        nothing = np.full(frames[0].y.shape[:2], np.nan, dtype=np.float16)
        none = np.full(frames[0].y.shape[:2], -1, dtype=np.int32)
        if self._stacked[0] != len(frames):
            self._stacked = len(frames), WeakValueDictionary()
        stacked = self._stacked[1]

        def stack(name: str, of: Callable[[Kept], Any]) -> NDArray[Any]:
            """The same read-only array as before, while somebody has it and there are no more frames."""
            array = stacked.get(name)
            if array is None:
                array = stacked[name] = np.stack([of(kept) for kept in frames])
                array.setflags(write=False)
            return array

        return {
            "request": self.request.model_dump_json(),
            "parent": None if self.parent is None else list(self.parent),
            "steps": stack("steps", lambda kept: np.array((kept.step, kept.calls, kept.seconds))),
            "y": stack("y", lambda kept: kept.y),
            "packed": stack("packed", lambda kept: kept.packed),
            "confidence": stack("confidence", lambda kept: nothing if kept.confidence is None else kept.confidence),
            "likeliest": stack("likeliest", lambda kept: none if kept.likeliest is None else kept.likeliest),
            "state": state,
            "provider": self.provider,
        }

    def result(self, picture: NDArray[np.uint8] | None = None) -> Result:
        """What the newest frame holds; picture: uint8 (H, W, 3), what a picture request fills."""
        kept = self.frames[-1]
        confidence = None if kept.confidence is None else kept.confidence.astype(np.float32)
        frame = Frame(kept.step, kept.steps, kept.calls, kept.state, kept.revealed, confidence)
        return finish(self.request, self.bundle, frame, picture=picture, seconds=kept.seconds, provider=self.provider)

    def strange_to(self, bundle: "Bundle", anew: str = "generate anew") -> str:
        """Why this model cannot go on from the run's frames, and `anew`, what can be done instead, in one sentence; ""
        where it can."""
        name = self.bundle.name
        if bundle.digest == self.bundle.digest:
            return ""
        if bundle.name == name:
            return f"This was made with another {name} than the one that is installed now: {anew}."
        return f"This was made with {name}: choose that model to go on from it, or {anew}."

    @property
    def state(self) -> State:
        with self._lock:
            if self._over:
                return self._over
            if self._stopping:
                return "stopping"
            if not self._allowed:
                return "paused"
            return "running" if self._begun else "waiting"

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def made_here(self) -> bool:
        """Whether this process made all of it; one of an earlier session may come from another device."""
        return self._begun and not self._stored

    @property
    def catching_up(self) -> bool:
        """Whether it has yet to make again what it had, to have its sampler where that was."""
        return self._again > 0

    @property
    def active(self) -> bool:
        """Whether the lane has, or will have, something to do for it."""
        with self._lock:
            return self._queued

    def resume(self) -> None:
        self._allow(math.inf)

    def step(self) -> None:
        """Make one more frame and pause again."""
        self._allow(1)

    def pause(self) -> None:
        """Make no further frame; one that is being made is finished."""
        with self._lock:
            self._allowed = 0

    def stop(self) -> None:
        """End it before the next call of the network; a call that is running is cut short."""
        with self._lock:
            if self._over or self._stopping:
                return
            self._stopping = True
            if self._denoise is not None:
                self._denoise.stop()
            # A paused run has nothing in the lane: it is ended there all the same, where its stream lives.
            if self._queued:
                return
            self._queued = True
        self._submit(self._advance)

    def _allow(self, frames: float) -> None:
        with self._lock:
            if self._over or self._stopping:
                return
            # The frame that is being made is not the one that was asked for.
            self._allowed = frames + self._making
            if self._queued:
                return
            self._queued = True
        self._submit(self._advance)

    def _advance(self) -> None:
        """On the lane: make the next frame, keep it, queue up again."""
        with self._lock:
            self._begun = True
            go = not self._stopping and self._allowed > 0
            if not self._stopping and not go:
                self._queued = False
                return
            self._making = go and not self._again
        ended: State | None = None if go else "stopped"
        try:
            if go and not self._make():
                ended = "done"
        except Stopped:
            ended = "stopped"
        except Exception as error:
            ended, self.error = "failed", error
        if ended and self._stream is not None:
            with suppress(StudioError):
                self._stream.close()
        with self._lock:
            if self._making:
                self._allowed = max(0.0, self._allowed - 1)
            self._making = False
            ended = ended or ("stopped" if self._stopping else None)
            again = ended is None and self._allowed > 0
            self._queued, self._over = again, ended
        if again:
            self._submit(self._advance)

    def _make(self) -> bool:
        """Make and keep one frame; false if it was the last."""
        started = time.perf_counter()
        if self._stream is None:
            denoise = self._network(self.bundle)
            with self._lock:
                self._denoise = denoise
                if self._stopping:  # while it was loaded, and there was nothing yet that could be stopped
                    raise Stopped
            self.provider = denoise.provider
            started = time.perf_counter()
            self._stream = generate(self.request, self.bundle, denoise)
        frame = next(self._stream)
        if self._again:
            if (frame.y != self.frames[frame.step].y).any():
                raise StudioError(OTHER_DEVICE)
            self._again -= 1
            return True
        self._seconds += time.perf_counter() - started
        last = self.frames[-1]
        guesses = frame.likeliest if frame.likeliest is not None and (frame.likeliest >= 0).any() else None
        self.frames.append(
            Kept(
                frame.step,
                frame.steps,
                frame.calls,
                self._seconds,
                _shared(frame.y.astype(self._type), last.y),
                _shared(np.packbits(frame.revealed), last.packed),
                None if frame.confidence is None else _shared(frame.confidence.astype(np.float16), last.confidence),
                None if guesses is None else _shared(guesses.astype(np.int32), last.likeliest),
            )
        )
        return frame.step < frame.steps


def leave(runs: Iterable[Run]) -> None:
    """These are no longer looked at: one that goes on ends, a paused one waits for undo to lead back to it."""
    for run in runs:
        if run.state != "paused":
            run.stop()


def _shared(new: NDArray[Any], last: NDArray[Any] | None) -> NDArray[Any]:
    """The last frame's array where nothing has changed, bit for bit: an idle step costs no memory."""
    return last if last is not None and new.tobytes() == last.tobytes() else new


def _no_network(bundle: "Bundle") -> Network:
    raise RuntimeError("a run of an earlier session makes no frames")
