#!/bin/sh
# Entry point of the exporter's image. Settings come from the environment; arguments after the mode go to the command.
set -eu

help() {
    cat <<'TEXT'
Usage: docker run IMAGE [MODE] [ARGUMENT...]

  sidecar      Serve the metrics that Gunicorn keeps in PROMETHEUS_MULTIPROC_DIR (default: /metrics, a volume that both
               share), or in Redis with REDIS_ENABLED=true. This is the default.
  standalone   Serve the metrics that Gunicorn servers anywhere share through Redis (REDIS_HOST, PROMETHEUS_REDIS_URL, ...).
  health       Ask the endpoint whether it answers, with --ready whether it is ready: exit status 0 yes, 1 no.
  help         Show this.

Metrics are at port 9091 (PROMETHEUS_METRICS_PORT). `sidecar --config FILE` reads settings from YAML as well.
TEXT
}

mode=${1:-sidecar}
[ "$#" -eq 0 ] || shift
case "$mode" in
    sidecar)
        exec gunicorn-prometheus-exporter serve "$@"
        ;;
    standalone)
        # What was given wins, so that `false` is an error of the settings and not a surprise.
        export REDIS_ENABLED="${REDIS_ENABLED:-true}"
        # No directory: without Redis there is nothing to serve here.
        unset PROMETHEUS_MULTIPROC_DIR
        exec gunicorn-prometheus-exporter serve "$@"
        ;;
    health)
        exec gunicorn-prometheus-exporter health "$@"
        ;;
    help | --help | -h)
        help
        ;;
    *)
        echo "There is no mode '$mode'." >&2
        help >&2
        exit 2
        ;;
esac
