"""How a text comes back: from the session with its gaps, caret, settings and the last run; from a request."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import StudioError
from studio.files import is_utf8
from studio.generation import TextSource
from studio.media.gapped import GappedText
from studio.ui.text.jobs import Job

if TYPE_CHECKING:
    from studio.ui.text.workspace import TextWorkspace


def session_of(workspace: "TextWorkspace") -> dict[str, Any]:
    """What `restore_session` takes."""
    settings, filling, editor = workspace.settings, workspace.filling, workspace.editor
    state: dict[str, Any] = {
        "title": workspace.document.title,
        "file": str(workspace.file) if workspace.file and is_utf8(str(workspace.file)) else "",
        "text": workspace.document.text.dump(),
        "caret": list(editor.carets()),
        "scroll": editor.verticalScrollBar().value(),
        "views": {"confidence": editor.confidence_shown, "windows": editor.windows_shown},
        "gap_length": workspace.gap_length,
        "model": settings.bundle.name if settings.bundle else None,
        "settings": settings.dump(),
    }
    job = filling.job
    if job is not None and all(other.run.recordable for other in (job, *filling.comparison)):
        state["run"] = {
            "draft": filling.draft,
            "index": workspace.playhead.index,
            "comparison": [None if other is job else _state_of(other) for other in filling.comparison],
            **_state_of(job),
        }
    return state


def _state_of(job: Job) -> dict[str, Any]:
    """What `_job` takes."""
    return {"gaps": list(job.gaps), "made": sorted(job.made), **job.run.record()}


def restore_session(workspace: "TextWorkspace", state: dict[str, Any]) -> None:
    """Take up what `session_of` gave. StudioError where it is not to be used; then nothing has changed, but that the
    run may be missing."""
    try:
        text = GappedText.load(state["text"])
        anchor, caret = (min(max(int(place), 0), len(text)) for place in state["caret"])
        bundle = workspace.studio.models.default("text", str(state["model"]))
        settings, views = dict(state["settings"]), dict(state["views"])
        title, length, scroll = str(state["title"])[:200], int(state["gap_length"]), int(state["scroll"])
        file = str(state.get("file", ""))
    except (KeyError, TypeError, ValueError) as error:
        raise StudioError(f"the stored text is damaged ({error}).") from error
    workspace.settings.set_bundle(bundle)
    workspace.settings.load(settings)
    workspace.document.load(text, title)
    workspace.file = Path(file) if file else None
    workspace.gap_length = length
    workspace.commands["confidence"].setChecked(bool(views.get("confidence", True)))
    workspace.show_confidence(bool(views.get("confidence", True)))
    workspace.commands["windows"].setChecked(bool(views.get("windows")))
    workspace.show_windows(bool(views.get("windows")))
    workspace.editor.place_caret(anchor, caret)
    workspace.editor.verticalScrollBar().setValue(scroll)
    if isinstance(state.get("run"), dict):
        _restore_run(workspace, state["run"])


def _restore_run(workspace: "TextWorkspace", stored: dict[str, Any]) -> None:
    try:
        beside: list[Job] = []
        job = _job(workspace, stored, beside)
        others = stored.get("comparison", [])
        beside += [job if other is None else _job(workspace, other, beside) for other in others]
        draft, index = int(stored["draft"]), int(stored["index"])
    except (KeyError, TypeError, ValueError, AssertionError, StudioError) as error:
        raise StudioError(f"the last run is lost ({str(error).rstrip('.')}); the text is here.") from error
    workspace.filling.take_up(job, draft)
    workspace.playhead.show(index)


def _job(workspace: "TextWorkspace", stored: dict[str, Any], beside: list[Job]) -> Job:
    """What `_state_of` gave. KeyError, TypeError, ValueError, AssertionError or StudioError where it is damaged."""
    run = workspace.studio.lane.restore(workspace.studio.models.get, stored)
    request = run.request
    if not isinstance(request.source, TextSource):
        raise ValueError("the request is none for a text")
    gaps, made = tuple(int(gap) for gap in stored["gaps"]), frozenset(int(gap) for gap in stored["made"])
    parts = request.source.content if isinstance(request.source.content, tuple) else None
    if (parts is not None and sum(isinstance(part, int) for part in parts) != len(gaps)) or not made <= set(gaps):
        raise ValueError("the gaps do not fit the request")
    job = Job(run, gaps, made, beside)
    job.words(run.frames[0], 0)
    return job
