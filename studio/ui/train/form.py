"""The settings of a run, each with its help and default; what is wrong with one is said at it."""

import dataclasses
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from studio.errors import StudioError
from studio.training.recipe import Recipe
from studio.ui.icons import icon
from studio.ui.train.fields import (
    CHECKS,
    CHOICES,
    FLOATS,
    INTEGERS,
    PICTURES_ONLY,
    SECTIONS,
    Entry,
    numbers,
    share,
    short,
)
from studio.ui.train.plan import NEW, Plan, lengths, starts
from studio.ui.widgets.choices import Check, Choice
from studio.ui.widgets.focus import leave_focus
from studio.ui.widgets.icon_button import ActionButton
from studio.ui.widgets.layout import Column, Field, Section

if TYPE_CHECKING:
    from studio.datasets.store import Dataset
    from studio.ui.catalog import Models


class RunForm(QWidget):
    """Edits a `Plan`. `changed` fires with every edit, `shape_changed` when the model takes another kind of data."""

    changed = Signal()
    shape_changed = Signal()

    def __init__(self, models: "Models", start: QAction, estimate: QAction) -> None:
        super().__init__()
        self.plan, self._models = Plan(), models
        self._dataset: Dataset | None = None
        self._measure, self._held = estimate, False
        self.fields: dict[str, Field] = {}
        self.start = Choice("Start from", segmented=False)
        self.name = Entry("Name", str)
        self.name.setText(self.plan.name)
        self.shape: dict[str, Field] = {}
        self.message, self.estimate = QLabel(), QLabel()
        self.aside = QLabel()
        self.aside.setProperty("role", "muted")
        self.message.setProperty("role", "danger")
        self.estimate.setProperty("role", "muted")
        self._lay_out(start, estimate)
        self.start.changed.connect(self._start_chosen)
        self.name.changed.connect(self._edited)
        models.changed.connect(self._models_changed)
        self.refresh_starts()

    def _lay_out(self, start: QAction, estimate: QAction) -> None:
        self.column = Column("Settings of the run")
        head = Section("Model")
        head.add(Field("Start from", self.start, "A model to be fine-tuned, or a new one of a size."))
        head.add(Field("Name", self.name, "Of the run and of the model that comes out."))
        for key, label, help in (
            ("tokenizer", "Pixels", "One palette colour a pixel, or three colour values."),
            ("side", "Size", "Width and height of the pictures."),
            ("context", "Context", "Tokens that the model sees at once."),
            ("vocab_size", "Pieces", "Different tokens that words are cut into."),
            ("length", "ℓ", "Sub-tokens a token."),
        ):
            choice = Choice(label, [(0, "")], segmented=False)
            choice.changed.connect(self._shape_chosen)
            self.shape[key] = Field(label, choice, help, inline=True)
            head.add(self.shape[key])
        self.column.add(head)
        for title, expanded, names in SECTIONS:
            section = Section(title, expanded=expanded)
            for name in names:
                self.fields[name] = self._field(name)
                section.add(self.fields[name])
            self.column.add(section)
        for label in (self.aside, self.message, self.estimate):
            label.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        self.start_button = QPushButton(start.text())
        self.start_button.setProperty("kind", "primary")
        self.start_button.setToolTip(start.toolTip())
        self.start_button.clicked.connect(start.trigger)
        self.start_button.setIcon(icon("play", "on-accent"))
        self.measure = ActionButton(estimate, text=True)
        buttons.addWidget(self.start_button, 1)
        buttons.addWidget(self.measure)
        foot = QFrame()  # always in sight, however many fields are unfolded
        foot.setProperty("surface", "raised")
        below = QVBoxLayout(foot)
        below.setContentsMargins(16, 12, 16, 12)
        below.setSpacing(8)
        below.addWidget(self.aside)
        below.addWidget(self.message)
        below.addWidget(self.estimate)
        below.addLayout(buttons)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self.column, 1)
        whole.addWidget(foot)
        self.aside.hide()
        self.message.hide()
        self.estimate.hide()

    def set_aside(self, name: str) -> None:
        """Say that what is set here is not of the run of this name, which is looked at; "" for none."""
        self.aside.setText(f"These are for a new run: “{name}” keeps what it began with." if name else "")
        self.aside.setVisible(bool(name))

    def _field(self, name: str) -> Field:
        control: Entry | Choice | Check
        if name in CHOICES:
            label, help, options = CHOICES[name]
            control = Choice(label, options)
        elif name in CHECKS:
            label, help = CHECKS[name]
            control = Check(label, text=False)
        elif name == "tokens.granularities":
            label, help = "Granularities", "The ℓ′ that the model can be run at; divisors of ℓ."
            control = Entry(label, numbers, lambda value: " ".join(map(str, value)))
        else:
            label, help = INTEGERS[name] if name in INTEGERS else FLOATS[name]
            control = Entry(label, int if name in INTEGERS else share, short)
        control.changed.connect(self._edited)
        inline = name not in CHOICES
        return Field(label, control, help, inline=inline)

    # ---- what can be begun with

    def refresh_starts(self) -> None:
        """The bundles there are now, of the kind of the data if there are some."""
        kind = None if self._dataset is None else ("image" if self._dataset.kind == "pictures" else "text")
        bundles = [b for b in self._models.all() if kind in (None, b.manifest.modality)]
        bundles.sort(key=lambda b: (b.manifest.modality, b.name))
        fitting = [
            (b.name, b.manifest.title)
            for b in bundles
            if b.manifest.network and "weights.safetensors" in b.manifest.files
        ]
        self.start.set_options(starts(fitting))
        self._start_chosen()

    def _models_changed(self) -> None:
        """Where the model is another one now, what was typed stays as far as it fits."""
        typed = {name: list(value) if isinstance(value, tuple) else value for name, value in self.plan.values.items()}
        self.refresh_starts()
        if typed and not self.plan.values:
            self._take_up(typed)

    def _take_up(self, typed: dict[str, Any]) -> None:
        """What was typed for a model that may be another one now, as far as it fits."""
        self.set_values(typed)
        for name in typed.keys() & self.fields.keys() & self._check().keys():
            self.fields[name].reset()

    def set_dataset(self, dataset: "Dataset | None") -> None:
        kinds = [None if d is None else d.kind for d in (self._dataset, dataset)]
        self._dataset = dataset
        if kinds[0] != kinds[1]:
            self.refresh_starts()
        else:
            self._check()

    def _start_chosen(self, *_: Any) -> None:
        start = self.start.value() or f"{NEW}tiny"
        bundle = self._models.get(start)
        before = self.plan.start, self.plan.bundle, self.plan.modality
        self.plan.start, self.plan.bundle = start, bundle.path if bundle else None
        if bundle is not None:
            self.plan.modality = bundle.manifest.modality
        elif self._dataset is not None:
            self.plan.modality = "image" if self._dataset.kind == "pictures" else "text"
        if (self.plan.start, self.plan.bundle, self.plan.modality) == before:
            self._check()  # the same model: what was typed stays
            return
        self._offer_shapes()
        self._take_base()

    def _offer_shapes(self) -> None:
        """What can be chosen for a new model of this kind."""
        plan, picture = self.plan, self.plan.modality == "image"
        offers: dict[str, tuple[list[tuple[Any, str]], Any]] = {
            "tokenizer": ([("palette", "palette"), ("rgb", "rgb")], "palette"),
            "side": ([(n, f"{n} × {n}") for n in (16, 32, 48, 64)], 32),
            "context": ([(n, str(n)) for n in (64, 128, 256, 512)], 256),
            "vocab_size": ([(n, f"{n:,}") for n in (512, 1024, 4096, 16384)], 4096),
        }
        tokenizer = plan.shape.get("tokenizer", "palette")
        offers["length"] = ([(n, str(n)) for n in lengths(plan.modality, tokenizer)], 8 if picture else 12)
        shown = {"length", *(("tokenizer", "side") if picture else ("context", "vocab_size"))}
        for key, field in self.shape.items():
            options, default = offers[key]
            choice = field.control
            assert isinstance(choice, Choice)
            choice.set_options(options)
            value = plan.shape.get(key, default)
            choice.set_value(value if value in [v for v, _ in options] else default)
            field.setVisible(plan.new and key in shown)

    def _shape_chosen(self, *_: Any) -> None:
        picture = self.plan.modality == "image"
        keys = ("tokenizer", "side", "length") if picture else ("context", "vocab_size", "length")
        self.plan.shape = {key: self.shape[key].control.value() for key in keys}  # type: ignore[attr-defined]
        self._offer_shapes()
        self._take_base()

    def _take_base(self) -> None:
        """Another model: its own defaults in every field."""
        self.plan.values.clear()
        try:
            base = self.plan.base()
        except StudioError as error:
            self._say(str(error))
            return
        for name, field in self.fields.items():
            field.set_value(_of(base, name))
            field.set_default(_of(base, name))
            field.setVisible(self.plan.modality == "image" or name not in PICTURES_ONLY)
        self.set_estimate("")
        self._check()
        self.shape_changed.emit()

    # ---- editing and checking

    def _edited(self, *_: Any) -> None:
        self.plan.name = self.name.text().strip()
        base = self.plan.base()
        values = {name: field.control.value() for name, field in self.fields.items()}  # type: ignore[attr-defined]
        self.plan.values = {name: value for name, value in values.items() if value != _of(base, name)}
        self.set_estimate("")
        self._check()
        self.changed.emit()

    def _check(self) -> dict[str, str]:
        """Mark what is wrong; the first problem of each field. The data are no business of the marks."""
        wrong: dict[str, str] = {}
        for name, sentence in self.plan.problems(self._dataset):
            wrong.setdefault(name, sentence)
        for name, entry in self._entries().items():
            entry.mark(wrong.get(name, ""))
        if not wrong or set(wrong) == {"data.train"}:
            self._say("")
        return wrong

    def _entries(self) -> dict[str, Entry]:
        entries = {name: field.control for name, field in self.fields.items() if isinstance(field.control, Entry)}
        return {"name": self.name, **entries}  # type: ignore[dict-item]

    def recipe(self) -> Recipe | None:
        """The recipe, if nothing is wrong; else None, with the first wrong field focused and its sentence shown."""
        wrong = self._check()
        if not wrong:
            return self.plan.recipe(self._dataset)
        name = next(iter(wrong))
        label = "Name" if name == "name" else self.fields[name].label.text() if name in self.fields else name
        self._say(f"{'The data' if name == 'data.train' else label} {wrong[name]}.")
        control: QWidget | None = (
            self.name if name == "name" else self.fields[name].control if name in self.fields else None
        )
        if control is not None:
            section = control.parentWidget()
            while section is not None and not isinstance(section, Section):
                section = section.parentWidget()
            if isinstance(section, Section):
                section.set_expanded(True)
            control.setFocus()
            self.column.ensureWidgetVisible(control)
        return None

    def named(self, name: str) -> Recipe:
        """The recipe as the form holds it, of a run that has another name."""
        return dataclasses.replace(self.plan, name=name).recipe(self._dataset)

    def begin_with(self, start: str) -> None:
        """Choose what to start from, if it is offered."""
        try:
            self.start.set_value(start)
        except ValueError:
            return
        self._start_chosen()

    def grid(self) -> tuple[int, int] | None:
        """(height, width) of the pictures that the model takes; None for texts."""
        try:
            grid = self.plan.base().tokens.grid
        except StudioError:
            return None
        return (grid[0], grid[1]) if self.plan.modality == "image" and len(grid) == 2 else None

    def set_name(self, name: str) -> None:
        self.name.setText(name)
        self._edited()

    def set_values(self, values: dict[str, Any]) -> None:
        """Take up what was in the fields; what no longer fits stays as it is."""
        for name, value in values.items():
            if name in self.fields and isinstance(value, int | float | str | list):
                try:
                    self.fields[name].set_value(tuple(value) if isinstance(value, list) else value)
                except (ValueError, TypeError):
                    continue
        self._edited()

    def session(self) -> dict[str, Any]:
        """What `restore` takes up."""
        plan = self.plan
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in plan.values.items()}
        return {
            **{"start": plan.start, "modality": plan.modality, "shape": dict(plan.shape)},
            **{"name": plan.name, "values": values},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `session` gave, as far as it still fits."""
        if state.get("modality") in ("image", "text") and self._dataset is None:
            self.plan.modality = state["modality"]  # of a new model, whose data are read only later
        if isinstance(state.get("start"), str):
            self.begin_with(state["start"])
        self._start_chosen()  # where that is not offered any more, what is chosen has a kind of its own
        if isinstance(state.get("shape"), dict) and self.plan.new:
            self.plan.shape = state["shape"]
            self._offer_shapes()
            self._shape_chosen()
        if isinstance(state.get("name"), str) and state["name"]:
            self.set_name(state["name"])
        if isinstance(state.get("values"), dict):
            self._take_up(state["values"])

    def set_measuring(self, measuring: bool) -> None:
        """While steps are measured the button for it is off; the keys wait at the form, and come back to it."""
        if measuring:
            self._held = self.measure.hasFocus()
            leave_focus(self.measure, self)
        self._measure.setEnabled(not measuring)
        if not measuring and self._held and self.hasFocus():
            self.measure.setFocus()

    def set_estimate(self, text: str) -> None:
        self.estimate.setText(text)
        self.estimate.setVisible(bool(text))

    def _say(self, text: str) -> None:
        self.message.setText(text)
        self.message.setVisible(bool(text))


def _of(recipe: Recipe, field: str) -> Any:
    room, _, name = field.partition(".")
    return getattr(getattr(recipe, room), name)
