"""The exchange on three hosts: RabbitMQ and Postgres as clusters, two apis behind HAProxy, workers on all hosts.

`make cluster` runs it on one machine, with network namespaces as hosts; docs/cluster.md says how it runs on real ones.
"""
