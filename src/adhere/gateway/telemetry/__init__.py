"""What an operator watches: metrics, traces, the event feed."""
