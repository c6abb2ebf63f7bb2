"""Where things of the repository are, from whatever depth a test asks."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DATA = Path(__file__).parents[1] / "data"
