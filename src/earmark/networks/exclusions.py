"""Which settings of a recurrent network exclude each other; without torch, so that recipes know it too."""

from __future__ import annotations

from earmark.errors import SettingError


def check(cell: str, attention: str | None) -> None:
    """Refuse settings of a :class:`~earmark.networks.recurrent.RecurrentNetwork` that make no sense together.

    Raises
    ------
    SettingError
        If two of them exclude each other.

    Examples
    --------
    >>> check("lstm", "dot")
    """
    if cell == "rnn" and attention in ("dot", "scaled-dot"):
        raise SettingError(f"attention {attention!r} asks the LSTM's memory c_T: use cell 'lstm' or 'general'")
