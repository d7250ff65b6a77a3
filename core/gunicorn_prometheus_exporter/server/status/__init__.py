"""The status page, for people: what the metrics say now, in a browser."""
