#!/bin/sh
# A subscriber of the alerts in shell: one line for each version of an alert that is at least so severe.
#
#   apt-get install kcat jq
#   KAFKA_BOOTSTRAP=127.0.0.1:9092 ./subscribe.sh critical
#
# -G GROUP makes it a member of a group, which goes on where it was; -C -e instead would show what there is, and end.
set -eu
severities=${1:-info}
[ "$severities" = info ] && severities='info warning critical'
[ "$severities" = warning ] && severities='warning critical'

kcat -b "${KAFKA_BOOTSTRAP:-127.0.0.1:9092}" -G "${GROUP:-example-shell}" -X auto.offset.reset=earliest -q -u -J \
    "${TOPIC:-alerts}" |
    jq --raw-output --unbuffered --arg severities "$severities" '
        .payload | fromjson
        | select(.severity as $one | $severities | split(" ") | index($one))
        | [.state, .severity, .id, .number, .summary] | join(" ")'
