"""What stands in the panels of the pages."""
