"""The shapes of the responses that clients read, as /openapi.json describes them.

`api.wire.outgoing` builds the responses themselves, at a fraction of the cost of filling models. The tests with
schemathesis hold the two together: a response never has a member that its shape lacks.
"""
