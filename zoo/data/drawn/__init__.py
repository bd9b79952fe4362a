"""Pages that this package draws, with colours known to be ambiguous."""
