"""Reading text: counters, sentences, words, JSON, languages, and linear-time search."""
