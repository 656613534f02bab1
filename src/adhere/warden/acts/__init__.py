"""Acts and decisions, and the sources that what an act says came from."""
