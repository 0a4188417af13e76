#!/bin/sh
# What one container does, by its first argument:
#   web, worker, beat   one part of the server; needs DATABASE_URL and REDIS_URL
#   migrate             bring the database's tables up to date, then end
#   all                 everything in this container, as `make run` does
#   anything else       a management command: create_account, rotate_field_keys, …
set -eu
cd "$(dirname "$0")/.."

needs_servers() {
    : "${DATABASE_URL:?is needed by separate containers; use \"all\" for one container with SQLite}"
    : "${REDIS_URL:?is needed by separate containers; use \"all\" for one container without Redis}"
}

cores=$(nproc)
role=${1:-all}
case "$role" in
    web)
        needs_servers
        exec python -m granian --interface wsgi mdm.wsgi:application --host "${HOST:-0.0.0.0}" --port "${PORT:-8000}" \
            --workers "${WEB_PROCESSES:-$cores}" --blocking-threads 4 --workers-kill-timeout 10s --log-level warning
        ;;
    worker)
        needs_servers
        [ "$cores" -ge 2 ] || cores=2
        exec python -m celery --quiet --app mdm worker --loglevel INFO --pool prefork \
            --concurrency "${WORKER_PROCESSES:-$cores}" --without-gossip --without-mingle --without-heartbeat
        ;;
    beat)
        needs_servers
        exec python -m celery --quiet --app mdm beat --loglevel INFO --pidfile=
        ;;
    migrate)
        needs_servers
        exec python manage.py migrate --no-input
        ;;
    all)
        exec python manage.py run_pomona
        ;;
    *)
        exec python manage.py "$@"
        ;;
esac
