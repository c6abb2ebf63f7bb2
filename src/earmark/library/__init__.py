"""A person's collection: search, results kept, playlists, tags."""
