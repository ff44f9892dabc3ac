"""A stand-in for `python -m studio.training.worker`: it speaks as the worker does, and does what its name says.

The run's folder names what it does: "steady" goes on until it is stopped, "short" ends by itself, "fails" tells an
error, "refused" one before it begins, "dies" ends without a word, "deaf" hears neither commands nor signals, "mute"
cannot even start.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from studio.training.control import Control
from studio.training.run_folder import EVENTS, Checkpoint, Lock, checkpoints, write_checkpoints


def main(arguments: list[str]) -> int:
    folder = Path(arguments[arguments.index("-o") + 1])
    name = folder.name.partition("-")[0]
    if "--estimate" in arguments:
        if "fails" in (folder / "recipe.toml").read_text():
            print(json.dumps({"event": "error", "message": "It does not fit."}))
            return 2
        told = {"parameters": 2_500_000, "memory": 3 << 30, "seconds_per_step": 0.5, "samples_per_second": 32.0}
        told |= {"seconds": 300.0, "parts": 1, "device": "CPU", "precision": "float32", "batch": 16, "steps": 600}
        print(json.dumps({"event": "estimate", **told}))
        return 0
    if "--export" in arguments:
        from tests.helpers import picture_bundle

        target = Path(arguments[arguments.index("--export") + 1])
        picture_bundle(target.parent, target.name)
        print(json.dumps({"event": "exported", "path": str(target)}))
        return 0
    if name == "mute":
        print("no torch here", file=sys.stderr)
        return 1
    return work(folder, name, resume="--resume" in arguments)


def work(folder: Path, name: str, resume: bool) -> int:
    lock = Lock(folder)
    file = (folder / EVENTS).open("a" if resume else "w", encoding="utf-8")

    def tell(event: str, **facts: Any) -> None:
        file.write(json.dumps({"event": event, **facts, "time": round(time.time(), 3)}) + "\n")
        file.flush()

    control = Control()
    if name == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda number, frame: control.ask("stop"))
        control.listen(folder, lambda line: None)
    tell("hello", protocol=1, pid=os.getpid())
    if name == "refused":
        tell("error", message="The text is too short.")
        return 2
    if name == "fails":
        tell("start", step=0, steps=200, parameters=2_500_000, device="CPU", samples=60)
        tell("error", message="The loss is no longer a number at step 3.", diverged=True)
        return 2
    entries = checkpoints(folder)
    step = entries[-1].step if resume and entries else 0
    tell("start", step=step, steps=200, parameters=2_500_000, device="CPU", samples=60)
    preview(folder, step)
    tell("preview", step=step)
    paused = False
    while step < (5 if name in ("short", "early") else 200):
        asked = control.take()
        if "stop" in asked:
            break
        if ("pause" in asked) != paused:
            paused = not paused
            tell("paused" if paused else "resumed", step=step)
        if "sample" in asked:
            preview(folder, step)
            tell("preview", step=step)
        if "save" in asked:
            save(folder, step)
            tell("checkpoint", step=step)
        time.sleep(0.02)
        if paused:
            continue
        step += 1
        loss = 2 / step
        facts = {"gradient_norm": 1.0, "learning_rate": 1e-3, "samples_per_second": 32.0, "seconds_left": 100.0}
        tell("step", step=step, steps=200, loss=loss, samples=16 * step, memory=1 << 30, seconds=1.0, **facts)
        if name == "dies" and step == 3:
            os._exit(9)
        if step % 5 == 0:
            tell("evaluation", step=step, held_out=loss, bound=1.5 * loss, bound_error=0.1, best=True)
    save(folder, step)
    reason = {"short": "finished", "early": "early"}.get(name, "stop")
    tell("end", step=step, samples=16 * step, finished=name == "short", reason=reason)
    lock.release()
    return 0


def preview(folder: Path, step: int) -> None:
    from PIL import Image

    (folder / "previews").mkdir(exist_ok=True)
    Image.new("RGB", (80, 30), (step, 90, 200)).save(folder / "previews" / f"{step:08}.png")


def save(folder: Path, step: int) -> None:
    (folder / "checkpoints").mkdir(exist_ok=True)
    files = ("checkpoint.pt", f"checkpoints/step-{step:08}.pt")
    for name in files:
        (folder / name).write_bytes(b"weights")
    before = [entry for entry in checkpoints(folder) if entry.file != files[0] and entry.step != step]
    entries = [Checkpoint(files[1], step, 1.25, time.time()), Checkpoint(files[0], step, 1.25, time.time())]
    write_checkpoints(folder, [*before, *entries])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
