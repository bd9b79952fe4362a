"""Pages of your own, prepared: small JPEGs in splits that have no work in common."""
