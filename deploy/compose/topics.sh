# The topics of compose.yaml: those of deploy/debezium/README.md, on one broker. Do not add partitions
# later: that moves students from one partition to another.
set -eu

# create TOPIC PARTITIONS CONFIG: a topic that exists gets the configuration too.
create() {
    /opt/kafka/bin/kafka-topics.sh --bootstrap-server "$KAFKA_BOOTSTRAP_SERVERS" \
        --create --if-not-exists --topic "$1" --partitions "$2" --replication-factor 1
    /opt/kafka/bin/kafka-configs.sh --bootstrap-server "$KAFKA_BOOTSTRAP_SERVERS" \
        --alter --topic "$1" --add-config "$3"
}

create mentor.feedback 3 \
    retention.ms=604800000,segment.ms=86400000,message.timestamp.type=LogAppendTime
create __debezium-heartbeat.mentor 1 \
    retention.ms=3600000,segment.ms=3600000,message.timestamp.type=LogAppendTime
