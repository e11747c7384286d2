"""Order entry: a request becomes a sequenced order with its cost held, or a denial with a reason."""
