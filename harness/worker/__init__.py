"""What runs inside a worker, thread or process. Light on imports: a run starts dozens of processes at once."""
