"""Every write that a person makes from a page: each checks the role of whoever is signed in, then hands over."""
