"""What every room may know: errors, ports, time, ids, paging, the principal."""
