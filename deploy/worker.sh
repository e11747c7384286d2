#!/bin/sh
# Runs a worker in a container. Docker starts again whatever ends with a failure, but a worker that has seen a broken
# invariant (status 70) is to stay down: here that is no failure.
# The trap comes first, or a stop that arrives while the worker starts would end this script alone.
worker=
stopped=
trap 'stopped=yes; [ -z "$worker" ] || kill -TERM "$worker"' TERM INT
"$@" &
worker=$!
[ -z "$stopped" ] || kill -TERM "$worker"
wait "$worker"
status=$?
# The first wait ends with the signal, the worker when its batch is done.
while kill -0 "$worker" 2>/dev/null; do
    wait "$worker"
    status=$?
done
if [ "$status" -eq 70 ]; then
    echo "the worker has seen a broken invariant and is not started again: see above, then run the audit" >&2
    exit 0
fi
exit "$status"
