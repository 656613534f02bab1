"""What the gateway's benchmark runs beside the gateway: an upstream, a plain pass-through, and the peers."""
