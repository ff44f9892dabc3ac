"""Published checkpoints become models in a process of their own: the window never loads torch."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

from studio.errors import NoTokenizer, StudioError
from studio.processes import child, environment
from studio.runtime.catalog import AlreadyThere

CHECKPOINTS = (".pth", ".pt", ".ckpt")
_STOP_SECONDS = 3.0
_TAIL = 60
_FIRST = "prime-studio: "


async def convert_checkpoint(
    file: Path, progress: Callable[[str], None], *, tokenizer: Path | None = None, replace: bool = False, name: str = ""
) -> str:
    """Turn a published checkpoint into an installed model, in a process of its own, where torch may be; its name.

    progress: told what is being done. name: instead of its own. StudioError with what the process said: AlreadyThere,
    or NoTokenizer, where a choice mends it. Cancelled, the process is ended too.
    """
    command = [sys.executable, "-m", "studio", "import", str(file), "--json"]
    command += ["--tokenizer", str(tokenizer)] if tokenizer else []
    command += ["--replace"] if replace else []
    command += ["--name", name] if name else []
    said: list[str] = []
    async with child(*command, env=environment(PYTHONUNBUFFERED="1"), patience=_STOP_SECONDS) as process:
        assert process.stdout is not None and process.stderr is not None
        answer = asyncio.ensure_future(process.stdout.read())
        while line := await process.stderr.readline():
            text = line.decode("utf-8", "replace").strip()
            if text:
                said = [*said[1 - _TAIL :], text]
            if text and not text.startswith(_FIRST):  # which is why it ends
                progress(text)
        out = await answer
        code = await process.wait()
    if code == 0:
        return str(json.loads(out)["name"])
    last = said[-1] if said else ""
    if code == 2 and last.startswith(_FIRST):
        refused, sentence = json.loads(out) if out else {}, last.removeprefix(_FIRST)
        if refused.get("refused") == "name":
            raise AlreadyThere(sentence, refused["name"])
        raise (NoTokenizer if refused.get("refused") == "tokenizer" else StudioError)(sentence)
    how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    raise StudioError(f"{file.name} could not be imported: the process {how}. {last}".strip())
