"""What all services share: settings, messages, broker, clock, history, status, logging."""
