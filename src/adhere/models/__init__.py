"""Open-weight models: loading, generating, capturing states and attention, intervening; the pocket model inside.

torch and transformers are imported by the modules here that need them, and only when a model is opened.
"""
