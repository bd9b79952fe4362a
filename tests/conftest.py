import os

# Before TensorFlow is imported anywhere: it reports absent GPUs on standard error otherwise.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
