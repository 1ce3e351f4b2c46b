"""What pyarrow leaves to us: digests of values, texts as bytes, maps, columns out of buffers."""
