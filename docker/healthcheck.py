"""Exit status 0 when the web server in this container answers /healthz."""

import os
import sys
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

# The host of BASE_URL is always among the allowed ones; 127.0.0.1 need not be.
host = urlsplit(os.environ.get("BASE_URL", "")).netloc or "127.0.0.1"
url = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/healthz"
try:
    with urlopen(Request(url, headers={"Host": host}), timeout=4) as response:
        sys.exit(0 if response.status == 200 else 1)
except (URLError, OSError):
    sys.exit(1)
