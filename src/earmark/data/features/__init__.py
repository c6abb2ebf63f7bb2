"""A corpus becomes arrays of frames: computed by processes, kept on disk."""
