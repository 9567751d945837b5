"""Each place that makes the topics gives them the same settings."""

import re

import pytest

from dev.kafka.prepare import CONFIGS, TOPIC
from tests.events.contract import ASYNCAPI, read
from tests.instance import ROOT

README = "deploy/debezium/README.md"


def settings(place: str, topic: str) -> list[dict[str, str]]:
    """The times and the clock that each command of a file gives to the topic."""
    commands = (ROOT / place).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [
        dict(re.findall(r"((?:retention|segment|message\.timestamp)\.\w+)=(\w+)", command))
        for command in commands
        if f" {topic} " in command
    ]


@pytest.mark.parametrize("topic", CONFIGS)
def test_topics_are_the_same_everywhere(topic: str) -> None:
    assert settings(README, topic) == [CONFIGS[topic]] * 2
    assert settings("deploy/compose/topics.sh", topic) == [CONFIGS[topic]]


def test_asyncapi_has_the_same_settings() -> None:
    config = read(ASYNCAPI)["channels"]["feedback"]["bindings"]["kafka"]["topicConfiguration"]
    del config["cleanup.policy"]
    assert {name: str(value) for name, value in config.items()} == CONFIGS[TOPIC]
