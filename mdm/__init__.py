"""Pomona: the project package and the core of the MDM server. Loads the Celery app so that tasks find it."""

from mdm.celery import app as celery_app

__all__ = ["celery_app"]
