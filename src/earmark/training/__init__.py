"""A corpus becomes a model. Training needs the extra ``learn``; corpora, splits and judging do not."""
