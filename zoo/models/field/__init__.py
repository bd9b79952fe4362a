"""Models of the field, each built by a file of this folder as its paper describes it."""
