"""``earmark reproduce``: the paper's tables and figures, rebuilt."""
