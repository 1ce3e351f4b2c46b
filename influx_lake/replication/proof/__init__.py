"""Which windows are proved equal to their source, and the certificate that lists them for auditors."""
