"""What holds for all tests."""

from hypothesis import settings

settings.register_profile("tandem", deadline=None)  # A busy machine makes no test fail.
settings.load_profile("tandem")
