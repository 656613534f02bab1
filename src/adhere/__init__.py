"""Adhere: does a language model do what it was told, what does that cost, and how do you make it hold?"""

__version__ = "0.1.0"
