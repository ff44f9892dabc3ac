"""Whether data are pictures or texts, from their names and the first of what is in them."""

from itertools import islice
from pathlib import Path

from studio.datasets.pictures import check_source
from studio.datasets.texts import PLAIN, TABLES
from studio.errors import StudioError
from studio.media.images import SUFFIXES

_LOOK_AT = 2000  # entries of a folder


def kind_of(path: Path) -> str:
    """ "pictures" or "texts". StudioError where neither is found."""
    check_source(path)
    name = path.name.lower()
    if path.is_dir():
        return _kind_of_folder(path)
    if name.endswith(".parquet"):
        return _kind_of_parquet(path)
    if name.endswith(PLAIN + TABLES):
        return "texts"
    return "pictures"  # what it is exactly, reading it will show


def _kind_of_folder(path: Path) -> str:
    """Folders may mix kinds, such as pictures with captions or texts with a cover: the commoner wins."""
    pictures = texts = 0
    for file in islice(path.rglob("*"), _LOOK_AT):
        name = file.name.lower()
        if "idx3" in name or name.startswith("data_batch_"):
            return "pictures"
        if name.endswith(".parquet") and file.is_file():
            return _kind_of_parquet(file)
        pictures += name.endswith(SUFFIXES)
        texts += name.endswith(PLAIN + TABLES)
    if pictures or texts:
        return "pictures" if pictures >= texts else "texts"
    if (path / "train").is_file():  # CIFAR-100
        return "pictures"
    raise StudioError(f"{path.name} holds neither pictures nor texts that are known: choose another folder.")


def _kind_of_parquet(path: Path) -> str:
    from studio.datasets.parquet import parquet_values

    for what in ("pictures", "texts"):
        try:
            next(parquet_values(path, "", what), None)
        except StudioError as error:
            problem = error
        else:
            return what
    raise problem
