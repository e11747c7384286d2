"""The four stages of the pipeline, and the messages that travel between them."""
