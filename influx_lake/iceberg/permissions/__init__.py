"""What an identity may do with a catalog and its stores, each right tried out, and who has to grant what is missing."""
