"""The window. PySide6 only here; models of state at the root and in each workspace know no widgets."""
