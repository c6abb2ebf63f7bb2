"""Where people enter: the command line, and what it shows."""
