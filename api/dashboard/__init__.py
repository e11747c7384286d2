"""The page for people: static files, and the route of a key's owner. It gets all else from the public api."""
