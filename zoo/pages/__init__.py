"""Colouring of whole pages: scans in, colour images out, the ink and every grey of the scan kept."""
