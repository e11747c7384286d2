"""Pure rules and values that several stages share."""
