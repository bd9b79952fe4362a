"""The models: what is known of each, what they are put together from, and how they are loaded."""
