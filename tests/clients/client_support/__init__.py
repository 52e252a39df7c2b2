"""What the client tests stand on; each module works alone and knows nothing of pytest fixtures."""
