"""The normal distribution, as far as intervals need it."""

Z_95 = 1.959963984540054
"""Standard deviations of a normal distribution that 95 % lie within, on both sides together."""
