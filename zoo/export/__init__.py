"""Models as files for other runtimes, the decoding of their answers included."""
