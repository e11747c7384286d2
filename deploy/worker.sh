#!/bin/sh
# Runs a worker in a container. Docker starts again whatever ends with a failure, but a worker that has seen a broken
# invariant (status 70) is to stay down: here that is no failure.
"$@" &
worker=$!
trap 'kill -TERM "$worker"' TERM INT
wait "$worker"
status=$?
# The first wait ends with the signal, the worker when its unit is done.
while kill -0 "$worker" 2>/dev/null; do
    wait "$worker"
    status=$?
done
if [ "$status" -eq 70 ]; then
    echo "the worker has seen a broken invariant and is not started again: see above, then run the audit" >&2
    exit 0
fi
exit "$status"
