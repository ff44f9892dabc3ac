"""The train workspace: data, settings of a run, and the run as it goes; the training itself is another process."""
