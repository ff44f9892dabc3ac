"""What was made goes into the library as it is made, off the main thread."""

import asyncio
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.library import Item, Library, Parent
from studio.media.images import Picture

if TYPE_CHECKING:
    from studio.ui.runs import Run


async def keep(library: Library | None, run: "Run", picture: Picture | None = None, title: str = "") -> list[Item]:
    """Every sample of a run that came to its end; picture: what a picture run fills; title: of what it was made into.

    StudioError as `Library.add`."""
    if library is None or run.state != "done":
        return []
    return await asyncio.to_thread(_keep, library, run, picture, title)


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
