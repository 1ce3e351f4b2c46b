"""What a rollback unloads, and what is made visible once it was checked on a branch."""
