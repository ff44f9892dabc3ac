"""What the inspector sets: the options of the next run."""

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from PySide6.QtCore import QObject, Signal

from studio.generation import Options
from studio.prime.drawing import DRAWS
from studio.prime.policies import NO_CORRECTOR, POLICIES, from_nothing
from studio.prime.schedules import NO_WARP, SCHEDULES, is_schedule
from studio.runtime.bundle import Bundle, Corrector, Slope, Warp

if TYPE_CHECKING:
    from studio.generation import GenerationRequest

State = tuple[str, dict[str, Any]]
"""The name of the model, "" for none, and all options."""

MAX_STEPS = 4096
MAX_VARIATIONS = 64
MAX_SEED = 2**64 - 1
_PUBLISHED = {"temperature_slope": TypeAdapter(Slope), "warp": TypeAdapter(Warp), "corrector": TypeAdapter(Corrector)}
"""Of the samplers that were published, as a model or a request brings them; they have no control of their own."""


class SamplingSettings(QObject):
    """The options of a workspace, always within what its model can do. `set` takes any value and keeps a valid one."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self._bundle: Bundle | None = None
        self._nothing_given = False
        self._values: dict[str, Any] = {
            "granularity": 1,
            "steps": 32,
            "policy": "confidence",
            "temperature": 1.0,
            "top_p": 1.0,
            "top_k": 0,
            "schedule": "linear",
            "remask": 0.0,
            "draw": "joint",
            "temperature_slope": (0.0, 1.0),
            "warp": NO_WARP,
            "corrector": NO_CORRECTOR,
            "seed": secrets.randbits(32),
            "seed_locked": False,
            "seed_brought": False,  # whether a request that was opened has locked it, not the user
            "variations": 1,
        }

    @property
    def bundle(self) -> Bundle | None:
        return self._bundle

    def state(self) -> State:
        """All of it, for `come_back`."""
        return self._bundle.name if self._bundle else "", self.dump()

    def since(self, before: State | None) -> tuple[State, State] | None:
        """What undo and redo of an opening lead back to; None where it has changed nothing. before: what there was,
        where what is opened has brought its own; else the seed that what was open had brought is let go."""
        if before is None:
            before = self.state()
            self.let_go_of_seed()
        now = self.state()
        return None if before == now else (before, now)

    def come_back(self, state: State, find: Callable[[str], Bundle | None]) -> None:
        """Be again as `state` told. Options of a model that is no longer there are left out with it."""
        name, values = state
        bundle = find(name)
        if bundle is not None and state != self.state():
            self.set_bundle(bundle)
            self.load(values)

    def set_bundle(self, bundle: Bundle | None, keep: bool = False) -> None:
        """Choose the model; the options become its defaults, or with `keep` stay as far as it can do them."""
        self._bundle = bundle
        if bundle is not None:
            wanted = dict(self._values) if keep else self._values | self.defaults()
            self._values = {name: self._valid(name, value) for name, value in wanted.items()}
        self.changed.emit()

    def change_bundle(self, bundle: Bundle | None) -> None:
        """Go over to another model: with its defaults, unless the user has options of their own."""
        self.set_bundle(bundle, keep=not self.are_default())

    def defaults(self) -> dict[str, Any]:
        """The model's own options, of a picture with nothing given `from_nothing`; without a model none."""
        if self._bundle is None:
            return {}
        known = self._bundle.manifest.defaults.model_dump()
        if self._nothing_given and self._bundle.manifest.modality == "image":
            known |= from_nothing(known["policy"])
        return {name: value for name, value in known.items() if name in self._values}

    def set_nothing_given(self, nothing: bool) -> None:
        """Whether the next run has nothing of a picture to go by; options that are the defaults stay so."""
        if nothing != self._nothing_given:
            follow = self.are_default()
            self._nothing_given = nothing
            if follow:
                self._values |= {name: self._valid(name, value) for name, value in self.defaults().items()}
            self.changed.emit()

    def are_default(self) -> bool:
        """Whether they are what the model brings."""
        return all(self._values[name] == self._valid(name, value) for name, value in self.defaults().items())

    def get(self, name: str) -> Any:
        return self._values[name]

    def set(self, **values: Any) -> None:
        """Change options; each is brought within its bounds."""
        new = self._values | {name: self._valid(name, value) for name, value in values.items()}
        if new != self._values:
            self._values = new
            self.changed.emit()

    @property
    def granularities(self) -> tuple[int, ...]:
        """Those of the model; without one the present alone, which stays for the next."""
        present = (self._values["granularity"],)
        return present if self._bundle is None else tuple(sorted(self._bundle.manifest.granularities))

    @property
    def schedules(self) -> tuple[str, ...]:
        """The named schedules, and the present one if it is another."""
        return tuple(dict.fromkeys([*SCHEDULES, self._values["schedule"]]))

    def options(self) -> Options:
        """For `studio.generation`'s requests."""
        chosen = {name: self._values[name] for name in Options.__annotations__}
        if chosen["remask"]:  # both mask again, and this is the one that has a control
            chosen["corrector"] = NO_CORRECTOR
        return chosen  # pyright: ignore[reportReturnType]

    def seeds(self) -> tuple[int, ...]:
        """One seed a variation, one after the other from the seed."""
        return tuple((self._values["seed"] + i) % (MAX_SEED + 1) for i in range(self._values["variations"]))

    def take(self, request: "GenerationRequest") -> str:
        """Become what made a request; in one sentence what is beyond the bounds here, "" if it will make the same."""
        brought = self.get("seed_brought") or not self.get("seed_locked")
        self.load(request.model_dump() | {"seed": request.seeds[0], "variations": len(request.seeds)})
        self.set(seed_locked=True, seed_brought=brought)
        lost = [name for name, value in self.options().items() if value != getattr(request, name)]
        if self.seeds() != request.seeds:
            lost.append("seeds")
        names = ", ".join(name.replace("_", " ") for name in lost)
        return names and f"Generate makes something else than before: {names} cannot be here as they were."

    def let_go_of_seed(self) -> None:
        """Something else is open: unlock the seed if what was opened before had locked it."""
        if self.get("seed_brought"):
            self.set(seed_locked=False, seed_brought=False)

    def new_seed(self) -> None:
        """Throw the dice."""
        self.set(seed=secrets.randbits(32))

    def dump(self) -> dict[str, Any]:
        """For the session and for presets."""
        return dict(self._values)

    def load(self, values: dict[str, Any]) -> None:
        """Take stored values; what is unknown or no value of its kind is left out."""
        self.set(**{name: value for name, value in values.items() if name in self._values})

    def _valid(self, name: str, value: Any) -> Any:
        """`value` within its bounds; the present value where it is of another kind."""
        present = self._values[name]
        try:
            match name:
                case "granularity":
                    # The nearest that the model was trained for.
                    return min(self.granularities, key=lambda g: abs(g - int(value)))
                case "steps":
                    return min(max(int(value), 1), MAX_STEPS)
                case "variations":
                    return min(max(int(value), 1), MAX_VARIATIONS)
                case "seed":
                    return min(max(int(value), 0), MAX_SEED)
                case "top_k":
                    return max(int(value), 0)
                case "temperature":
                    return _within(value, 0.0, 100.0)
                case "top_p":
                    return _within(value, 0.01, 1.0)
                case "remask":
                    return _within(value, 0.0, 1.0)
                case "draw":
                    return value if value in DRAWS else present
                case "temperature_slope" | "warp" | "corrector":
                    return _PUBLISHED[name].validate_python(value)
                case "policy":
                    return value if value in POLICIES else present
                case "schedule":
                    return value if isinstance(value, str) and is_schedule(value) else present
                case _:
                    return bool(value)
        except (TypeError, ValueError, OverflowError):
            return present


def _within(value: Any, low: float, high: float) -> float:
    value = float(value)
    if value != value:
        raise ValueError("not a number")
    return min(max(value, low), high)
