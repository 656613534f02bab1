"""The upstream: the model behind the gateway. `client` asks it, `chat` and `messages` are the languages it may
speak."""
