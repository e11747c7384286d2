"""The scheduler: Celery beat, which rings for order entry and drops old days of market data."""
