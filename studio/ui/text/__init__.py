"""The text workspace: an editor in which gaps are things, and fill before one's eyes."""
