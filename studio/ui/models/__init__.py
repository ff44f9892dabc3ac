"""The Models workspace: what is installed, what it is worth, and how it comes and goes."""
