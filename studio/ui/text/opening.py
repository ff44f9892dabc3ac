"""What comes into the editor: empty texts, files, and requests that were made before."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import StudioError
from studio.generation import GenerationRequest, TextSource, check
from studio.media.gapped import LONGEST_GAP, GappedText, valid
from studio.media.textplan import open_gaps
from studio.media.texts import load_text
from studio.ui.runs import Run
from studio.ui.tasks import report
from studio.ui.text.jobs import Job, begun, given_fills, made_fills

if TYPE_CHECKING:
    from studio.ui.sampling_settings import State
    from studio.ui.text.workspace import TextWorkspace


class Opening:
    """Opens things in the text workspace, each as an action that can be undone."""

    def __init__(self, workspace: "TextWorkspace"):
        self._of = workspace
        self._turn = 0  # counts what was asked for: a file that is read later than what came after it is dropped

    def empty(self) -> None:
        self._of.studio.notices.clear(self._of.name)  # of the text before
        self._put(GappedText(), "text")

    async def file(self, path: Path, among: int = 1) -> None:
        """Open a text as it is, one of so many; marks such as [[6]] in it become gaps. StudioError where it is none."""
        of = self._of
        self._turn += 1
        turn = self._turn
        text = await asyncio.to_thread(load_text, path)
        if turn != self._turn:
            return
        of.studio.notices.clear(of.name)  # of the text before, or of a file that was none
        parts, problem = open_gaps(text, of.document.longest)
        if problem:
            of.studio.notices.show(f"Marks in {path.name} were left as text. {problem}", "warning", of.name)
        self._put(GappedText.of(parts), valid(path.stem))
        of.file = path
        if among > 1:
            told = f"One text is open at a time: of {among} files {path.name} was taken."
            of.studio.notices.show(told, place=of.name)
        of.studio.settings.add_recent(of.name, path)

    def request(self, request: GenerationRequest, source: dict[str, Any]) -> None:
        """Show the text of a request with what was given, and what was made, in its gaps, and its settings: to generate
        makes it again. source: as for `Workspace.open_request`; `variation` of its drafts, whose text is `text`."""
        assert isinstance(request.source, TextSource)
        of, before = self._of, self._of.settings.state()
        content, title = request.source.content, str(source.get("title") or "text")
        variation = min(max(int(source.get("variation", 0)), 0), len(request.seeds) - 1)
        bundle, notices = of.studio.models.get(request.model), of.studio.notices
        notices.clear(of.name)  # of the text before
        if bundle is not None and bundle.manifest.modality == "text":
            of.settings.set_bundle(bundle)
        lost = of.settings.take(request)
        if lost and not of.settings.take(alone := request.model_copy(update={"seeds": (request.seeds[variation],)})):
            lost, request, variation = "", alone, 0  # seeds that do not follow one another cannot all be here
        text = GappedText.of(open_gaps(content, LONGEST_GAP)[0] if isinstance(content, str) else content)
        if bundle is None or bundle.digest != request.digest:
            of.warn_of_another_version(request)
            self._put(text, title, before)
            return
        if lost:
            notices.show(lost, kind="warning", place=of.name)
        ids = tuple(gap.id for gap in text.gaps)
        try:
            check(request, bundle)
            made = made_fills(request, bundle, str(source.get("text") or ""))
            fills = made or given_fills(request, bundle)
        except StudioError as error:  # a stranger's request, of which the model can make nothing
            self._put(text, title, before)
            report(error, of.name)
            return
        for edit in text.fill({ids[number]: fill for number, fill in fills.items()}):
            text.apply(edit)
        self._put(text, title, before)
        of.editor.select_gap(next((gap.id for gap in text.gaps if not gap.filled), ids[0]))
        of.filling.draft = variation
        if begun(request, bundle):
            open_ = frozenset(gap.id for gap in text.gaps if gap.fill is None or len(gap.fill.pinned) < gap.length)
            of.filling.take_up(Job(Run.at_start(request, bundle), ids, open_), variation, filled=bool(made))
            told = "This went on from words that were known in part: Branch here makes it again from there."
        else:
            told = "Text and settings are as they were: Generate makes the same again." if made and not lost else ""
        if told:
            notices.show(told, place=of.name)

    def _put(self, text: GappedText, title: str, before: "State | None" = None) -> None:
        """before: as `SamplingSettings.since`."""
        self._turn += 1
        self._of.document.open(text, title, self._of.settings.since(before))
