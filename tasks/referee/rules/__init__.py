"""The rules of competitions: cases, names, steps, scores."""
