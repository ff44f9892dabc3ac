"""History of everything that was made: an index in SQLite beside the files, no Qt, no torch."""

from studio.library.export import export_item, export_items, pictures_for_grid
from studio.library.items import Change, Filter, Item, Parent, given_pieces
from studio.library.store import Library

__all__ = [
    "Change",
    "Filter",
    "Item",
    "Library",
    "Parent",
    "export_item",
    "export_items",
    "given_pieces",
    "pictures_for_grid",
]
