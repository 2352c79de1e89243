"""The word for the certificate that the exchange shows over TLS."""

from datetime import datetime, timedelta

from attrs import frozen


@frozen
class Certificate:
    """The one in force, and how the newest files of it were taken."""

    ends_at: datetime
    """UTC."""
    fault: str = ""
    """Why what its files hold now is of no use; "" where that is in force."""

    def trouble(self, now: datetime) -> str:
        """What keeps phones and trunks from trusting it, now or at the latest when it ends; "" for nothing."""
        if self.ends_at <= now:
            return f"it ended on {self.ends_at:%Y-%m-%d}"
        return self.fault

    def is_ending(self, now: datetime) -> bool:
        """Whether it is high time to renew it; one that renews itself has done so long before."""
        return self.ends_at - now < NOTICE


NOTICE = timedelta(days=21)
