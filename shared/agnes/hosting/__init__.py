"""What an installation costs on AWS: list prices, and the bill of counted calls."""
