"""The referee of competitions: a client with the admin's key that leads each competition through its rounds."""
