from hypothesis import HealthCheck, settings

# A busy machine is no reason to fail: examples are bounded by their number, not by the clock.
settings.register_profile("pomona", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pomona")
