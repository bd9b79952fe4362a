"""Reports: tables, figures and the page made of results, and the comparison of two of them."""
