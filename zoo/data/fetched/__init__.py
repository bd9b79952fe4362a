"""Data sets that are downloaded, from a list of files, a package index or TensorFlow Datasets."""
