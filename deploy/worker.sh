#!/bin/sh
# Runs a worker in a container. Docker restarts a container that fails, but a worker that found a broken invariant
# (status 70) must stay down: this script then exits with 0.
# The trap comes first; otherwise a stop that arrives while the worker starts would end this script alone.
worker=
stopped=
trap 'stopped=yes; [ -z "$worker" ] || kill -TERM "$worker"' TERM INT
"$@" &
worker=$!
[ -z "$stopped" ] || kill -TERM "$worker"
wait "$worker"
status=$?
# A signal ends the first wait, while the worker finishes its batch.
while kill -0 "$worker" 2>/dev/null; do
    wait "$worker"
    status=$?
done
if [ "$status" -eq 70 ]; then
    echo "the worker found a broken invariant and is not restarted: see the lines above, then run the audit" >&2
    exit 0
fi
exit "$status"
