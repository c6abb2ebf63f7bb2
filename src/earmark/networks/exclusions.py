"""Which settings of a recurrent network exclude each other; without torch, so that recipes know it too."""

from __future__ import annotations

from collections.abc import Sequence

from earmark.errors import SettingError


def check(
    *, cell: str, attention: str | None, texture_window: int, channels: Sequence[int], heads: int, per_class: bool
) -> None:
    """Refuse settings of a :class:`~earmark.networks.recurrent.RecurrentNetwork` that make no sense together.

    Raises
    ------
    SettingError
        If two of them exclude each other.

    Examples
    --------
    >>> check(cell="lstm", attention="learned", texture_window=0, channels=[8], heads=2, per_class=False)
    """
    if cell == "rnn" and attention in ("dot", "scaled-dot"):
        raise SettingError(f"attention {attention!r} asks the LSTM's memory c_T: use cell 'lstm' or 'general'")
    if texture_window and channels:
        raise SettingError("texture_window and channels both stand before the recurrence: set one of them")
    if per_class and heads != 1:
        raise SettingError(f"per_class has one head for each class, not {heads}: leave heads out")
    if (per_class or heads > 1) and attention != "learned":
        asked, given = "per_class" if per_class else f"heads = {heads}", repr(attention) if attention else "none"
        raise SettingError(f"{asked} is for attention 'learned', not {given}: only learned queries can be several")
