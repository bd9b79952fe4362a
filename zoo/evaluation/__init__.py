"""The evaluation: models, oracles and baselines through the same metrics, image by image."""
