//! Media without sockets or clock: RTP in, RTP out.
