"""A small file shelf: upload, download, a streamed report, a JSON API and errors of both kinds."""
