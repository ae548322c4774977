from hypothesis import HealthCheck, settings

# No test may fail because the machine is busy: making and running an example may take as long as it takes.
settings.register_profile("without deadline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("without deadline")
