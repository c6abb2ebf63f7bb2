"""The fields that Earmark writes, with their names in each format, as fields of mediafile."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mediafile import ListMediaField


@cache
def list_fields() -> dict[str, ListMediaField]:
    """Return the fields "main" (genres), "moods" and "earmark" (the note of what Earmark wrote). Needs mediafile."""
    from mediafile import (
        ASFStorageStyle,
        ListMediaField,
        ListStorageStyle,
        MediaFile,
        MP3ListDescStorageStyle,
        MP3ListStorageStyle,
        MP4ListStorageStyle,
    )

    def name_field(name: str, asf: str, *id3: Any) -> ListMediaField:
        mp4 = MP4ListStorageStyle(f"----:com.apple.iTunes:{name}")
        return ListMediaField(*id3, mp4, ListStorageStyle(name), ASFStorageStyle(asf))

    # TMOO is a frame of ID3v2.4, which programs drop from tags of 2.3: there it is TXXX:MOOD
    moods = MP3ListStorageStyle("TMOO"), MP3ListDescStorageStyle("MOOD", read_only=True)
    return {
        "main": MediaFile.__dict__["genres"],
        "moods": name_field("MOOD", "WM/Mood", *moods),
        "earmark": name_field("EARMARK", "EARMARK", MP3ListDescStorageStyle("EARMARK")),
    }
