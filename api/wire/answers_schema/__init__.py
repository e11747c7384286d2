"""What clients read: the shapes of responses, as /openapi.json describes them.

`api.wire.outgoing` makes the responses themselves, at a fraction of the cost of filling models. The tests with
schemathesis hold the two together: a response never has a member that its shape lacks.
"""
