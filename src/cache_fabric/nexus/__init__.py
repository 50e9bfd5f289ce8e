"""From compiled manifests to running agents; importing this package imports no SDK."""
