"""What people see and do in a browser, and the HTTP API beside it."""
