"""Trunks, heads and layers. Importing this module lets `keras.models.load_model` read the zoo's models."""

from zoo.models.build import HEADS, TRUNKS, colorizer
from zoo.models.predict import Prediction, Predictor, predict

__all__ = ["HEADS", "TRUNKS", "Prediction", "Predictor", "colorizer", "predict"]
