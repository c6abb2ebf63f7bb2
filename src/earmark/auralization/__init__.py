"""What a network has learned, as sound: imagined genres, prototypes, hidden units. Needs the extra ``learn``."""
