# The topics of compose.yaml, as deploy/debezium/README.md has them, on one broker. Partitions are
# chosen once: more of them later would move students from one to another.
set -eu

create() {
    /opt/kafka/bin/kafka-topics.sh --bootstrap-server "$KAFKA_BOOTSTRAP_SERVERS" \
        --create --if-not-exists --replication-factor 1 "$@"
}

create --topic mentor.feedback --partitions 3 --config retention.ms=604800000
create --topic __debezium-heartbeat.mentor --partitions 1 --config retention.ms=3600000
