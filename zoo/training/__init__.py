"""The training harness: configuration, run directory, validation, and the loop."""
