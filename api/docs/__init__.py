"""The description of the api: OpenAPI and AsyncAPI documents, and the examples in them."""
