"""Genres in the tags of files: read, spelled, written whole or not at all, undone."""
