"""The training study: the pocket model under several paradigms of post-training, matched by samples."""
