"""The applications that are measured, each bare and with what makes it report metrics."""
