"""The wire: shapes of requests and responses, problems, money, and what routes declare."""
