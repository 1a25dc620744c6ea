from hypothesis import HealthCheck, settings

# The same examples in every run and on every machine; no deadline, since machines differ.
settings.register_profile(
    "tests",
    derandomize=True,
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")
