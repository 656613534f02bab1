"""What every package may use: results and errors, text for terminals, files, and optional dependencies."""
