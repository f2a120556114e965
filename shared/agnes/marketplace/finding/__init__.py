"""The client's discovery rules, in parts: `agnes.marketplace.inventory` is the whole."""
