"""The method of MDM-Prime. NumPy only: no files, no threads, no Qt, no torch."""
