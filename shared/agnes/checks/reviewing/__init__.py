"""The review by a language model: the whole upload in chunks, each with proofs that it was read and not obeyed."""
