"""The words of Tandem: frozen values that every other room speaks in.

One word per concept:

* **company**: a customer of the exchange, its tenant. Nothing is looked up without it.
* **person**: somebody who works for a company, reached by a short number, the **extension**.
* **device**: where a person can be rung: a SIP phone that registers, or an **outside** number behind a trunk.
* **binding**: one place where a SIP device is registered now (RFC 3261 §10). A device without one is offline.
* **trunk**: the link to a carrier. **Number** (DID): what the world dials; it leads somewhere.
* **leg**: one SIP dialog between the exchange and somebody. **Call**: the legs that serve one caller's wish.
* **refusal**: why a device, or a whole person, could not be reached.
* **terminal**: the declared end of a path on which nobody was reached. No caller ends in silence.
* **journal**: what happened, gapless and ordered per company. All figures, records and traces are computed from it.
"""
