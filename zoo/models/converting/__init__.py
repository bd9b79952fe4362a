"""From weights that others published to models of the zoo: files of PyTorch, read as data, with nothing in them run."""
