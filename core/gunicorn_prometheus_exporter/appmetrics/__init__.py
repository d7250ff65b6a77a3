"""The application's own prometheus_client metrics, kept in the exporter's segments without the application knowing."""
