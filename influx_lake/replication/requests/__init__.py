"""The journal of requests: loads and comparisons asked of the HTTP service, kept until they are done."""
