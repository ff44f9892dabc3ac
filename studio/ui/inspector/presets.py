"""Presets: settings under a name, to be applied, kept and handed on as files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QMenu, QWidget

from studio.errors import StudioError
from studio.files import file_name
from studio.media.gapped import valid
from studio.prime.policies import policy_class
from studio.prime.schedules import alpha
from studio.ui.dialogs import ask_open, ask_save, ask_text, confirm
from studio.ui.icons import icon
from studio.ui.sampling_settings import SamplingSettings
from studio.ui.settings import Preset
from studio.ui.tasks import spawn
from studio.ui.widgets.choices import Choice
from studio.ui.widgets.icon_button import IconButton

if TYPE_CHECKING:
    from studio.ui.context import Studio

DEFAULTS, OWN = "The model's defaults", "Own settings"
_DEFAULTS = ""  # a name that no preset can have
FILES = "Presets (*.json)"
PRESETS = "presets"
LONGEST = 60


def preset_of(settings: SamplingSettings) -> Preset:
    """The settings as they are, but for the seed."""
    values = {name: value for name, value in settings.dump().items() if name in Preset.model_fields}
    return Preset(**values, model=settings.bundle.name if settings.bundle else None)


def fits(preset: Preset, now: dict[str, Any]) -> bool:
    """Whether the settings, as values of a preset, are those of this one, as far as it says something."""
    return all(now[name] == value for name, value in preset.model_dump(exclude_none=True).items())


def checked(preset: Preset, name: str) -> Preset:
    """The preset itself. StudioError where it asks for what there is not."""
    for check, value in ((policy_class, preset.policy), (lambda schedule: alpha(schedule, 0.5), preset.schedule)):
        if value is not None:
            try:
                check(value)
            except ValueError as error:
                raise StudioError(f"{name} is no preset: {error}.") from error
    return preset


class PresetRow(QWidget):
    """A list of the presets, the one that the settings fit chosen, and a menu of what can be done with them.

    place: where failures are shown. modality: of the models that a preset may choose.
    """

    def __init__(self, studio: "Studio", settings: SamplingSettings, place: str, modality: str):
        super().__init__()
        self._studio, self._settings, self._place, self._modality = studio, settings, place, modality
        self._last: str | None = None
        self.choice = Choice("Preset", ((_DEFAULTS, DEFAULTS), (None, OWN)), segmented=False)
        self.choice.changed.connect(self.apply)
        self.more = IconButton("more", "Save, share and manage presets")
        self.more.setPopupMode(IconButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self.more)
        self.menu.setToolTipsVisible(True)
        self.save = self.menu.addAction(icon("save"), "Save as a preset…", self._save)
        self.menu.addSeparator()
        self.rename = self.menu.addAction(icon("rename"), "Rename…", self._rename)
        self.delete = self.menu.addAction(icon("trash"), "Delete…", self._delete)
        self.menu.addSeparator()
        self.share = self.menu.addAction(icon("export"), "Share as a file…", self._share)
        self.load = self.menu.addAction(icon("import"), "Load from a file…", self._load)
        self.more.setMenu(self.menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.choice, 1)
        row.addWidget(self.more, 0, Qt.AlignmentFlag.AlignVCenter)
        self.setFocusProxy(self.choice)
        settings.changed.connect(self.refresh)
        studio.settings.changed.connect(self._stored)
        studio.models.changed.connect(self._list)
        self._list()

    @property
    def current(self) -> str | None:
        """The name of the preset that is chosen; None for the model's defaults and for settings of one's own."""
        return self.choice.value() or None

    def apply(self, name: str | None) -> None:
        """Take over what the preset says, or the model's defaults; the seed stays."""
        if name == _DEFAULTS:
            self._last = None
            self._settings.load(self._settings.defaults())
            return
        preset = self._presets.get(name or "")
        if preset is None:
            self.refresh()
            return
        self._last = name
        self.take(preset, f"The preset “{name}”")

    def take(self, preset: Preset, what: str) -> None:
        bundle = self._studio.models.get(preset.model) if preset.model else self._settings.bundle
        if preset.model and (bundle is None or bundle.manifest.modality != self._modality):
            self._studio.notices.show(
                f"{what} is for the model {preset.model}, which is not installed for this; "
                "its other settings are used with the present model.",
                "warning",
                self._place,
            )
        elif bundle is not None and bundle is not self._settings.bundle:
            self._settings.set_bundle(bundle, keep=True)
        values: dict[str, Any] = preset.model_dump(exclude_none=True, exclude={"model"})
        self._settings.load(values)
        self.refresh()

    def refresh(self) -> None:
        """Choose the preset that the settings fit, the one applied last before others."""
        now = preset_of(self._settings).model_dump()
        fitting = [name for name, preset in self._presets.items() if fits(preset, now)]
        if self._settings.are_default():
            fitting.append(_DEFAULTS)
        self.choice.set_value(self._last if self._last in fitting else next(iter(fitting), None))
        for action in (self.rename, self.delete, self.share):
            action.setEnabled(self.current is not None)

    @property
    def _presets(self) -> dict[str, Preset]:
        """All but those of models for something else."""
        found = {}
        for name, preset in self._studio.settings.values.presets.items():
            bundle = self._studio.models.get(preset.model or "")
            if bundle is None or bundle.manifest.modality == self._modality:
                found[name] = preset
        return found

    def _stored(self, name: str) -> None:
        if name == "presets":
            self._list()

    def _list(self) -> None:
        names = sorted(self._presets, key=str.casefold)
        self.choice.set_options([(_DEFAULTS, DEFAULTS), (None, OWN), *((name, name) for name in names)])
        self.refresh()

    def _save(self) -> None:
        spawn(self.ask_and_save(), self._place)

    def _rename(self) -> None:
        spawn(self.ask_and_rename(), self._place)

    def _delete(self) -> None:
        spawn(self.ask_and_delete(), self._place)

    def _share(self) -> None:
        spawn(self.ask_and_share(), self._place)

    def _load(self) -> None:
        spawn(self.ask_and_load(), self._place)

    async def ask_and_save(self) -> None:
        name = await ask_text(
            self,
            "Save the settings as a preset",
            self.current or "",
            yes="Save",
            details="Model and options are kept, the seed is not. A preset of the same name is replaced.",
            check=_too_long,
        )
        if name:
            self._last = name
            self._studio.settings.set_preset(name, preset_of(self._settings))

    async def ask_and_rename(self) -> None:
        old = self.current
        if old is None:
            return
        preset = self._presets[old]
        name = await ask_text(self, "Rename the preset", old, yes="Rename", check=self._taken_by_another(old))
        if name and name != old:
            self._last = name
            self._studio.settings.remove_preset(old)
            self._studio.settings.set_preset(name, preset)

    async def ask_and_delete(self) -> None:
        name = self.current
        if name and await confirm(self, f"Delete the preset “{name}”?", "Delete", "Keep", danger=True):
            self._studio.settings.remove_preset(name)

    async def ask_and_share(self) -> None:
        name = self.current
        if name is None:
            return
        preset = self._presets[name]
        path = await ask_save(self, "Share the preset", PRESETS, (file_name(name) or "preset") + ".json", (FILES,))
        if path is not None:
            preset.write(path)
            self._studio.notices.show(f"The preset is in {path.name}.", "success", self._place)

    async def ask_and_load(self) -> None:
        path = await ask_open(self, "Load a preset", PRESETS, (FILES,))
        if path is not None:
            self.add_file(path)

    def add_file(self, path: Path) -> None:
        """Keep the preset of a file under the file's name, and apply it. StudioError where it is none."""
        preset = checked(Preset.read(path), path.name)
        stem = valid(path.stem)[:LONGEST]
        name, number = stem, 2
        taken = self._studio.settings.values.presets
        while name in taken and taken[name] != preset:
            name, number = f"{stem} {number}", number + 1
        self._studio.settings.set_preset(name, preset)
        if name in self._presets:
            self.apply(name)
        else:
            self._studio.notices.show(
                f"The preset “{name}” is kept; it is for the model {preset.model}, which makes something else.",
                "info",
                self._place,
            )

    def _taken_by_another(self, old: str) -> Any:
        def check(name: str) -> str:
            taken = name != old and name in self._studio.settings.values.presets
            return "There is a preset of this name already." if taken else _too_long(name)

        return check


def _too_long(name: str) -> str:
    return f"A name has at most {LONGEST} letters." if len(name) > LONGEST else ""
