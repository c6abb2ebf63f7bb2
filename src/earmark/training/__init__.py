"""A corpus becomes a model. Training needs the extra ``learn``; corpora, splits and judging do not."""

import os

# Set before OpenMP is loaded, by PyTorch or scikit-learn: threads that wait for each other sleep instead of spinning.
# Where other programs want the cores too, those that spin take the time of the one they wait for.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
