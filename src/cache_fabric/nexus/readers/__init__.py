"""One reader a format: a source in, a `Manifest` out."""
