"""The HTTP server that answers scrapes: one thread, bounded connections, safe to fork around."""
