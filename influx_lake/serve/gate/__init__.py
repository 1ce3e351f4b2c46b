"""What a request passes before it is answered: who asks, how much, and how slowly."""
