"""How students feel about tasks and topics: views of the rows, and reports for teachers."""
