//! The SIP side as one machine: messages in, messages out, no sockets and no clock.
