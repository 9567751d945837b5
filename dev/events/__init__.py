"""`make events`: shows each feedback's event in a terminal, as Kafka would get it.

The engine is Debezium's own, in this process, with the settings of deploy/debezium. From the
outside in: __main__.py, follow.py (the main path), places.py and other_server.py (the server that
is followed), slot.py, settings.py, engine.py, java.py, event.py.
"""
