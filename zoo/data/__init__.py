"""Data sets: where pages come from, which split they belong to, and the crops a run trains on."""
