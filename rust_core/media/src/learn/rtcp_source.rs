//! Learns the source of RTCP: the signalled one, or, behind NAT, one that reports as the sender of the learned RTP.

use std::net::{IpAddr, SocketAddr};

use super::{Lesson, usable};

/// The source of one leg's RTCP, between two changes of signalling.
#[derive(Clone, Debug)]
pub struct RtcpSource {
    signalled: SocketAddr,
    behind_nat: Option<IpAddr>,
    known: Option<SocketAddr>,
}

impl RtcpSource {
    /// As for RTP.
    pub fn new(signalled: SocketAddr, behind_nat: Option<IpAddr>) -> Self {
        let known = if behind_nat.is_none() { usable(signalled) } else { None };
        Self { signalled, behind_nat, known }
    }

    /// Takes a well-formed packet sent by `sender`. `rtp` is the learned source of RTP with its SSRC.
    pub fn handle_packet(
        &mut self,
        source: SocketAddr,
        sender: u32,
        rtp: Option<(SocketAddr, u32)>,
    ) -> Lesson {
        if let Some(known) = self.known {
            return if known == source { Lesson::Known } else { Lesson::Stranger };
        }
        let goes_with_rtp = self.behind_nat == Some(source.ip())
            && rtp.is_some_and(|(rtp, ssrc)| rtp.ip() == source.ip() && ssrc == sender);
        if source != self.signalled && !goes_with_rtp {
            return Lesson::Stranger;
        }
        self.known = Some(source);
        Lesson::Learned
    }

    /// The source, once it is known.
    pub fn known(&self) -> Option<SocketAddr> {
        self.known
    }

    /// Where to send: the known source, or else the signalled one. `None` if that is no address.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.known.or_else(|| usable(self.signalled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_nat_only_who_speaks_for_the_learned_stream_is_learned() {
        let signalled: SocketAddr = "10.0.0.5:4001".parse().unwrap();
        let nat: SocketAddr = "203.0.113.9:1001".parse().unwrap();
        let rtp = Some(("203.0.113.9:1000".parse().unwrap(), 7));
        let mut source = RtcpSource::new(signalled, Some(nat.ip()));
        assert_eq!(source.handle_packet(nat, 7, None), Lesson::Stranger);
        assert_eq!(source.handle_packet(nat, 8, rtp), Lesson::Stranger);
        let elsewhere = "203.0.113.8:1001".parse().unwrap();
        assert_eq!(source.handle_packet(elsewhere, 7, rtp), Lesson::Stranger);
        assert_eq!(source.destination(), Some(signalled));
        assert_eq!(source.handle_packet(nat, 7, rtp), Lesson::Learned);
        assert_eq!(source.handle_packet(signalled, 7, rtp), Lesson::Stranger);
        assert_eq!(source.destination(), Some(nat));
    }

    #[test]
    fn without_nat_the_signalled_source_is_known_from_the_beginning() {
        let signalled: SocketAddr = "10.0.0.5:4001".parse().unwrap();
        let mut source = RtcpSource::new(signalled, None);
        assert_eq!(source.known(), Some(signalled));
        assert_eq!(source.handle_packet(signalled, 7, None), Lesson::Known);
        let stranger = "10.0.0.5:4003".parse().unwrap();
        assert_eq!(source.handle_packet(stranger, 7, None), Lesson::Stranger);
    }
}
