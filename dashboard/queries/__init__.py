"""Every read of the pages."""
