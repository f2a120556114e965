"""Operations: is everything well, which version is this, what does the API offer."""
