"""What was made goes into the library as it is made, off the main thread."""

import asyncio
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.library import Item, Library, Parent
from studio.media.images import Picture

if TYPE_CHECKING:
    from studio.ui.runs import Run

_keeping: set[asyncio.Future[list[Item]]] = set()


async def keep(library: Library | None, run: "Run", picture: Picture | None = None, title: str = "") -> list[Item]:
    """Every sample of a run that came to its end; picture: what a picture run fills; title: of what it was made into.

    It goes on to its end though nobody waits for it any more: see `all_kept`. StudioError as `Library.add`."""
    if library is None or run.state != "done":
        return []
    keeping = asyncio.ensure_future(asyncio.to_thread(_keep, library, run, picture, title))
    _keeping.add(keeping)
    keeping.add_done_callback(_keeping.discard)
    return await asyncio.shield(keeping)


async def all_kept() -> None:
    """Wait until all that is being kept is; to be called before the library is closed."""
    await asyncio.gather(*_keeping, return_exceptions=True)


def _keep(library: Library, run: "Run", picture: Picture | None, title: str) -> list[Item]:
    rgb: NDArray[np.uint8] | None = None if picture is None else picture.rgb
    result = run.result(rgb)
    parent = Parent(run=run.parent[0], frame=run.parent[1]) if run.parent else None
    return [
        library.add(
            result,
            variation,
            picture=picture,
            title=f"{title}, seed {seed}" if title else "",
            run=run.id,
            parent=parent,
        )
        for variation, seed in enumerate(run.request.seeds)
    ]
