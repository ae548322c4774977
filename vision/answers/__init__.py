"""The embedded reader's answers: what a question asks for, and sentences that rest on the reading alone."""
