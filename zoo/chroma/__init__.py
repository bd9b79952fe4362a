"""Colour: YUV, the bins of a classifier, what makes a colour of its answer, regions, and bringing chroma to a size."""
