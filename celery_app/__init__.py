"""The Celery application of the exchange; `celery -A celery_app worker -Q order_entry` starts a stage."""

from celery_app.app import app

__all__ = ["app"]
