"""Redis: where the segments of many hosts meet. Never in the way of a request."""
