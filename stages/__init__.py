"""The realtime worker: audio of many sessions in at the receiver, finished protocol events out of it."""
