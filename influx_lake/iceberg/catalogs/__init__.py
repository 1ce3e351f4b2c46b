"""Opens catalogs; creates namespaces; retries and the lock for commits."""
