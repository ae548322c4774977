"""Delta tables: their schemas, exactly-once writes, and reads of tables that others wrote."""
