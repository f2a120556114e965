"""What every room may know: errors, ports, time, ids, the principal."""
