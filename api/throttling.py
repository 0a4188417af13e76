"""How much one API key may ask for: generous, and reads are not counted unless a setting says so."""

import logging
import time

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from api.errors import TooManyRequests

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 60


class ApiKeyThrottle(BaseThrottle):
    """API_RATE_PER_MINUTE writes and API_READ_RATE_PER_MINUTE reads in each minute of the clock; 0 means no limit."""

    def allow_request(self, request: Request, view: object) -> bool:
        changes = request.method not in SAFE_METHODS or view.changes_always
        limit = settings.API_RATE_PER_MINUTE if changes else settings.API_READ_RATE_PER_MINUTE
        if not limit or request.auth is None:
            return True
        kind = "changes" if changes else "reads"
        window, passed = divmod(time.time(), WINDOW_SECONDS)
        if _count(f"api-rate:{kind}:{request.auth.pk}:{window:.0f}") > limit:
            raise TooManyRequests(WINDOW_SECONDS - passed, f"More than {limit} {kind} in a minute.")
        return True


def _count(key: str) -> int:
    """How often this was asked; a cache that is down limits nobody."""
    try:
        cache.add(key, 0, timeout=2 * WINDOW_SECONDS)
        return cache.incr(key)
    except ValueError:  # the entry was evicted between the two
        return 1
    except (RedisError, OSError) as error:
        logger.warning("requests are not limited, the cache does not answer: %s", error)
        return 1
