# The topics of compose.yaml: those of deploy/debezium/README.md, on one broker. Do not add partitions
# later: that moves students from one partition to another.
set -eu

create() {
    /opt/kafka/bin/kafka-topics.sh --bootstrap-server "$KAFKA_BOOTSTRAP_SERVERS" \
        --create --if-not-exists --replication-factor 1 "$@"
}

create --topic mentor.feedback --partitions 3 --config retention.ms=604800000
create --topic __debezium-heartbeat.mentor --partitions 1 --config retention.ms=3600000
