"""The APIs: one file each reads its requests into the normal form and writes answers, streams and errors in its own."""
