"""`make events`: shows each feedback's event in a terminal, as Kafka would get it.

The engine is Debezium's own, in this process, with the chain of deploy/debezium. From the outside
in: __main__.py, follow.py (the main path), own_server.py or other_server.py (where PostgreSQL is),
slot.py, engine.py, event.py, output.py.
"""
