from hypothesis import settings

# No test may fail because the machine is busy: an example may take as long as it takes.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")
