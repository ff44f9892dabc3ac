"""How a text comes back: from the session with its gaps, caret, settings and the last run; from a request."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import StudioError
from studio.files import is_utf8
from studio.generation import GenerationRequest, TextSource
from studio.media.gapped import LONGEST_GAP, GappedText
from studio.media.textplan import open_gaps
from studio.ui.runs import Run
from studio.ui.tasks import report
from studio.ui.text.jobs import Job, begun, given_fills, made_fills

if TYPE_CHECKING:
    from studio.ui.sampling_settings import State
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


def show_text(workspace: "TextWorkspace", text: GappedText, title: str, before: "State | None" = None) -> None:
    """Show another text, as one action. before: the settings, where the text has brought its own; else the seed that
    the text before had brought is let go."""
    settings = workspace.settings
    if before is None:
        before = settings.state()
        settings.let_go_of_seed()
    now = settings.state()
    workspace.document.open(text, title, (before, now) if before != now else None)


def bring_request(workspace: "TextWorkspace", request: GenerationRequest, source: dict[str, Any]) -> None:
    """Show the text of a request with what was given, and what was made, in its gaps, and its settings: to generate
    makes it again. source: as for `Workspace.open_request`; `variation` of its drafts, whose text is `text`."""
    assert isinstance(request.source, TextSource)
    content, title = request.source.content, str(source.get("title") or "text")
    variation = min(max(int(source.get("variation", 0)), 0), len(request.seeds) - 1)
    bundle, notices = workspace.studio.models.get(request.model), workspace.studio.notices
    before = workspace.settings.state()
    notices.clear(workspace.name)  # of the text before
    if bundle is not None and bundle.manifest.modality == "text":
        workspace.settings.set_bundle(bundle)
    lost = workspace.settings.take(request)
    if lost and not workspace.settings.take(alone := request.model_copy(update={"seeds": (request.seeds[variation],)})):
        lost, request, variation = "", alone, 0  # seeds that do not follow one another cannot all be here
    text = GappedText.of(open_gaps(content, LONGEST_GAP)[0] if isinstance(content, str) else content)
    if bundle is None or bundle.digest != request.digest:
        workspace.warn_of_another_version(request)
        show_text(workspace, text, title, before)
        return
    if lost:
        notices.show(lost, kind="warning", place=workspace.name)
    ids = tuple(gap.id for gap in text.gaps)
    try:
        made = made_fills(request, bundle, str(source.get("text") or ""))
        fills = made or given_fills(request, bundle)
    except StudioError as error:  # a stranger's request, of which the model can make nothing
        show_text(workspace, text, title, before)
        report(error, workspace.name)
        return
    for edit in text.fill({ids[number]: fill for number, fill in fills.items()}):
        text.apply(edit)
    show_text(workspace, text, title, before)
    workspace.editor.select_gap(next((gap.id for gap in text.gaps if not gap.filled), ids[0]))
    workspace.filling.draft = variation
    if begun(request, bundle):
        open_ = frozenset(gap.id for gap in text.gaps if gap.fill is None or len(gap.fill.pinned) < gap.length)
        workspace.filling.take_up(Job(Run.at_start(request, bundle), ids, open_), variation, filled=bool(made))
        told = "This went on from words that were known in part: Branch here makes it again from there."
    else:
        told = "Text and settings are as they were: Generate makes the same again." if made and not lost else ""
    if told:
        notices.show(told, place=workspace.name)
