"""What a worker records about the requests it serves."""
