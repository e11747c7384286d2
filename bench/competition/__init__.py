"""A competition of many teams, led through the browser, on an exchange whose processes are killed in mid-round."""
