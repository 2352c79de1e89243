"""Calls with real phones: SIPp, baresip, pjsua2. Each test listens to what both sides recorded."""
