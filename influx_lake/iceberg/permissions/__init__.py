"""Which operations an identity may do on a catalog and its stores, by trying each; and who grants missing rights."""
