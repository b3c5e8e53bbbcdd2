"""One module a source: its lines decoded into messages (`data_convert.messages`)."""
