"""The page for people: static files and who is asking; all else it gets from the routes and streams of everybody."""
