//! The path of RTCP through a shard, and our own reports.

use tandem_media::learn::Lesson;
use tandem_media::rtcp::{Compound, SenderReport};

use super::shard::{BUFFER_LEN, Shard};

impl Shard {
    /// Takes one packet off the RTCP socket of a leg.
    pub(super) fn read_rtcp(&mut self, slot: u32) {
        let Some(cold) = self.cold[slot as usize].as_mut() else { return };
        let Some(agreed) = &mut cold.agreed else { return };
        let (len, source) = match cold.rtcp.recv_from(&mut self.buffer[..]) {
            Ok(received) => received,
            Err(error) => return self.count_error(&error),
        };
        let session = &mut self.hot[slot as usize].session;
        let Ok(reports) = Compound::parse(&self.buffer[..len]) else {
            session.discarded += 1;
            self.counts.malformed += 1;
            return;
        };
        let rtp = agreed.rtp_source.known().zip(session.reception.ssrc());
        if agreed.rtcp_source.handle_packet(source, reports.sender, rtp) == Lesson::Stranger {
            session.discarded += 1;
            self.counts.stranger += 1;
            return;
        }
        self.handle_reports(slot, len);
    }

    /// Takes the first `len` bytes of the buffer as RTCP from the known source, and passes them on.
    pub(super) fn handle_reports(&mut self, slot: u32, len: usize) {
        let parsed = Compound::parse(&self.buffer[..len]);
        let (Ok(reports), true) = (parsed, len < BUFFER_LEN) else {
            self.counts.malformed += 1;
            return;
        };
        let Some(cold) = self.cold[slot as usize].as_mut() else { return };
        self.counts.rtcp_received += 1;
        self.hot[slot as usize].session.touch(self.at);
        for block in reports.blocks() {
            cold.round_trip.handle_block(block.last_report, block.delay, self.at);
        }
        let sent_ntp = reports.sent_ntp;
        if let Some(sent_ntp) = sent_ntp {
            cold.reporter.handle_sender_report(sent_ntp, self.at);
        }
        let mut index = 0;
        while let Some(&(listener, _)) =
            self.cold[slot as usize].as_ref().and_then(|cold| cold.listeners.get(index))
        {
            index += 1;
            self.send_rtcp(listener, len, sent_ntp);
        }
    }

    /// Reports about what we play, each `INTERVAL`.
    pub(super) fn report(&mut self, slot: u32) {
        let session = &self.hot[slot as usize].session;
        let Some(cold) = self.cold[slot as usize].as_mut() else { return };
        let Some(speaker) = cold.speaker.as_ref() else { return };
        if cold.reported_at.is_some_and(|last| self.at.saturating_sub(last) < INTERVAL) {
            return;
        }
        cold.reported_at = Some(self.at);
        let (packets, octets) = speaker.stream().totals();
        let report = SenderReport {
            ssrc: speaker.stream().ssrc(),
            // From 1: an NTP time of 0 means that none was heard.
            ntp: ((self.at.as_secs() + 1) << 32)
                | ((u64::from(self.at.subsec_nanos()) << 32) / NANOS),
            timestamp: speaker.stream().timestamp(self.at),
            packets,
            octets,
            block: cold.reporter.block(&session.reception, self.at),
        };
        let bytes = report.to_bytes();
        self.buffer[..bytes.len()].copy_from_slice(&bytes);
        self.send_rtcp(slot, bytes.len(), Some(report.sent_ntp()));
    }

    /// Sends the first `len` bytes of the buffer to where a far end takes RTCP.
    fn send_rtcp(&mut self, slot: u32, len: usize, sent_ntp: Option<u32>) {
        let (hot, Some(cold)) = (&self.hot[slot as usize], self.cold[slot as usize].as_mut())
        else {
            return;
        };
        // RTCP flows on hold too (RFC 3264 §5.1), as long as there is an address.
        let Some(agreed) = &cold.agreed else { return };
        let packet = &self.buffer[..len];
        let is_muxed = agreed.params.rtcp == agreed.params.rtp; // RFC 5761 §5.1.1
        let sent = match (is_muxed, &hot.socket) {
            (true, Some(socket)) => {
                agreed.rtp_source.destination().map(|to| socket.send_to(packet, to))
            }
            _ => agreed.rtcp_source.destination().map(|to| cold.rtcp.send_to(packet, to)),
        };
        match sent {
            Some(Ok(_)) => self.counts.rtcp_sent += 1,
            Some(Err(error)) => return self.count_error(&error),
            None => return,
        }
        if let Some(sent_ntp) = sent_ntp {
            cold.round_trip.handle_sent(sent_ntp, self.at);
        }
    }
}

/// RFC 3550 §6.2: the minimum, which two parties keep; the first report goes at once, as it may between two.
const INTERVAL: std::time::Duration = std::time::Duration::from_secs(5);

const NANOS: u64 = 1_000_000_000;
