//! The path of a packet through a shard: RTP.

use std::io;
use std::os::fd::AsFd as _;

use tandem_media::dtmf::Digit;
use tandem_media::learn::Lesson;
use tandem_media::rtp::{RtpPacket, is_rtcp, relabel};
use tandem_media::session::{Discard, Format};

use super::event::MediaEventKind;
use super::shard::{BUFFER_LEN, Shard};
use super::writer::Chunk;

/// What came of reading a socket that anybody can send to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Read {
    Empty,
    Learned,
    Other,
}

impl Shard {
    /// Takes one packet off the RTP socket of a leg.
    #[inline]
    pub(super) fn read_rtp(&mut self, slot: u32) {
        let hot = &mut self.hot[slot as usize];
        if !hot.is_connected {
            if self.read_unconnected(slot) == Read::Learned {
                self.connect(slot);
            }
            return;
        }
        let Some(socket) = &hot.socket else { return };
        match socket.recv(&mut self.buffer[..]) {
            Ok(len) => self.handle_datagram(slot, len),
            Err(error) => self.count_error(&error),
        }
    }

    /// Lets only the known source through the socket, if there is one, or everybody, and reads it accordingly.
    pub(super) fn connect(&mut self, slot: u32) {
        self.unwatch_rtp(slot);
        self.let_through(slot);
        self.watch_rtp(slot);
    }

    fn let_through(&mut self, slot: u32) {
        let (hot, Some(cold)) = (&mut self.hot[slot as usize], &self.cold[slot as usize]) else {
            return;
        };
        let (Some(socket), Some(agreed)) = (&hot.socket, &cold.agreed) else { return };
        hot.is_connected = false;
        let connected = match agreed.rtp_source.known() {
            Some(source) => socket.connect(source),
            None => rustix::net::connect_unspec(socket.as_fd()).map_err(io::Error::from),
        };
        if connected.is_err() {
            self.counts.socket_errors += 1;
        }
        if connected.is_err() || agreed.rtp_source.known().is_none() {
            return; // Each packet's source is looked at.
        }
        // What strangers sent before is still in the queue; only behind it is everything from the source.
        for _ in 0..MAX_QUEUED {
            if self.read_unconnected(slot) == Read::Empty {
                self.hot[slot as usize].is_connected = true;
                return;
            }
        }
    }

    /// Sends the first `len` bytes of the buffer as RTP to the far end of a leg.
    #[inline]
    pub(super) fn send_rtp(&mut self, slot: u32, len: usize) {
        let hot = &mut self.hot[slot as usize];
        let Some(socket) = &hot.socket else { return };
        let packet = &self.buffer[..len];
        let is_connected = hot.is_connected;
        let send = || {
            if is_connected {
                return socket.send(packet);
            }
            match self.cold[slot as usize].as_ref().and_then(|cold| cold.destination()) {
                Some(destination) => socket.send_to(packet, destination),
                None => Err(io::ErrorKind::NotConnected.into()),
            }
        };
        // An ICMP error that came in is reported by the next send, which then sends nothing.
        let sent = match send() {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => send(),
            sent => sent,
        };
        match sent {
            Ok(_) => {
                hot.session.sent += 1;
                self.counts.packets_sent += 1;
            }
            Err(error) => self.count_error(&error),
        }
    }

    /// Takes a packet from the known source.
    #[inline]
    pub(super) fn handle_datagram(&mut self, slot: u32, len: usize) {
        if is_rtcp(&self.buffer[..len]) {
            self.handle_reports(slot, len);
            return;
        }
        let hot = &mut self.hot[slot as usize];
        let heard = match hot.session.handle_rtp(&self.buffer[..len], self.at) {
            Ok(heard) if len < BUFFER_LEN => heard,
            Ok(_) => return self.discard(slot, Discard::Malformed),
            Err(why) => return self.discard(slot, why),
        };
        self.counts.packets_received += 1;
        let format = heard.format;
        let is_tapped = hot.is_tapped;
        if (is_tapped || format.is_events()) && !self.look_into(slot, len, format) {
            return;
        }
        let session = &mut self.hot[slot as usize].session;
        if let Some(listener) = session.forward(&mut self.buffer[..len], format) {
            if is_tapped { self.relay(listener, len) } else { self.relay_by_ring(listener, len) }
        } else if session.has_listener() {
            self.counts.not_understood += 1;
        }
        if is_tapped {
            self.relay_to_others(slot, len, format);
        }
    }

    #[inline]
    fn relay(&mut self, listener: u32, len: usize) {
        if self.hot[listener as usize].takes_relay {
            self.send_rtp(listener, len);
        }
    }

    /// The same with the other packets of the turn, where that is possible.
    #[inline]
    fn relay_by_ring(&mut self, listener: u32, len: usize) {
        let hot = &mut self.hot[listener as usize];
        let is_queued = match (&mut self.ring, &hot.socket) {
            (Some(ring), Some(socket)) if hot.is_connected && hot.takes_relay => {
                ring.send(socket, &self.buffer[..len])
            }
            _ => false,
        };
        if !is_queued {
            return self.relay(listener, len);
        }
        hot.session.sent += 1;
        self.counts.packets_sent += 1;
    }

    /// Sends to all listeners but the first.
    #[cold]
    fn relay_to_others(&mut self, slot: u32, len: usize, format: Format) {
        let listeners = |shard: &Self, index: usize| {
            shard.cold[slot as usize].as_ref()?.listeners.get(index).copied()
        };
        let mut index = 1;
        while let Some((listener, route)) = listeners(self, index) {
            index += 1;
            if let Some(number) = route.number(format) {
                relabel(&mut self.buffer[..len], number, false);
                self.relay(listener, len);
            } else {
                self.counts.not_understood += 1;
            }
        }
    }

    /// Keys and recordings. Whether the packet goes on: those of a key that signalling has passed on do not.
    #[cold]
    fn look_into(&mut self, slot: u32, len: usize, format: Format) -> bool {
        let Some(cold) = self.cold[slot as usize].as_mut() else { return false };
        let Ok(packet) = RtpPacket::parse(&self.buffer[..len]) else { return false };
        if format.is_events() {
            if cold.keys.handle_packet(&packet, self.clock.instant(self.at)).is_err() {
                self.counts.malformed += 1;
            }
            if cold.keys.poll_timeout().is_some() && !self.keys_down.contains(&slot) {
                self.keys_down.push(slot);
            }
            let goes_on = !cold.keys.is_signalled();
            self.tell_keys(slot);
            return goes_on;
        }
        let law = cold.law_of(packet.payload_type);
        let (Some(tap), Some(law)) = (cold.tap.as_ref().filter(|tap| !tap.is_over()), law) else {
            return true;
        };
        let (ssrc, timestamp, at) = (packet.ssrc, packet.timestamp, self.at);
        let chunk = Chunk { ssrc, timestamp, at, law, payload: packet.payload.into() };
        if !self.writer.record(tap, chunk) {
            self.counts.recording_dropped += 1;
        }
        true
    }

    /// Lets go of keys whose end was lost.
    pub(super) fn release_keys(&mut self) {
        let now = self.clock.instant(self.at);
        let mut index = 0;
        while let Some(&slot) = self.keys_down.get(index) {
            let is_down = self.cold[slot as usize].as_mut().is_some_and(|cold| {
                cold.keys.handle_timeout(now);
                cold.keys.poll_timeout().is_some()
            });
            self.tell_keys(slot);
            if is_down {
                index += 1;
            } else {
                self.keys_down.swap_remove(index);
            }
        }
    }

    fn tell_keys(&mut self, slot: u32) {
        while let Some(press) = self.cold[slot as usize].as_mut().and_then(|c| c.keys.poll_press())
        {
            self.tell_key(slot, press.digit);
        }
    }

    /// Tells a key that a far end has pressed. False, and counted, if it presses more than hands can.
    pub(super) fn tell_key(&mut self, slot: u32, digit: Digit) -> bool {
        let now = self.clock.instant(self.at);
        let Some(cold) = self.cold[slot as usize].as_mut() else { return false };
        let (leg, is_told) = (cold.leg, cold.pace.takes(now));
        match is_told {
            true => self.tell(leg, MediaEventKind::KeyPressed { key: digit.as_char() }),
            false => self.counts.keys_dropped += 1,
        }
        is_told
    }

    /// Takes one packet whose source must be looked at.
    fn read_unconnected(&mut self, slot: u32) -> Read {
        let (hot, Some(cold)) = (&mut self.hot[slot as usize], &mut self.cold[slot as usize])
        else {
            return Read::Empty;
        };
        let (Some(socket), Some(agreed)) = (&hot.socket, &mut cold.agreed) else {
            return Read::Empty;
        };
        let (len, source) = match socket.recv_from(&mut self.buffer[..]) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Read::Empty,
            Err(error) => {
                self.count_error(&error);
                return Read::Other;
            }
        };
        let lesson = match hot.session.peek(&self.buffer[..len]) {
            _ if agreed.rtp_source.known() == Some(source) => Lesson::Known,
            _ if is_rtcp(&self.buffer[..len]) => Lesson::Stranger,
            Ok(heard) => agreed.rtp_source.handle_packet(source, &heard.packet),
            Err(why) => {
                self.discard(slot, why);
                return Read::Other;
            }
        };
        if lesson == Lesson::Stranger {
            hot.session.discarded += 1;
            self.counts.stranger += 1;
            return Read::Other;
        }
        self.handle_datagram(slot, len);
        if lesson == Lesson::Learned { Read::Learned } else { Read::Other }
    }

    fn discard(&mut self, slot: u32, why: Discard) {
        self.hot[slot as usize].session.discarded += 1;
        *match why {
            Discard::Malformed => &mut self.counts.malformed,
            Discard::UnknownType => &mut self.counts.unknown_type,
            Discard::Implausible => &mut self.counts.implausible,
            Discard::TooMany => &mut self.counts.too_many,
        } += 1;
    }

    /// ICMP errors and full buffers are the network's business; nothing ends by them.
    pub(super) fn count_error(&mut self, error: &io::Error) {
        if error.kind() != io::ErrorKind::WouldBlock {
            self.counts.socket_errors += 1;
        }
    }
}

/// More small packets than fit into a socket's buffer.
const MAX_QUEUED: usize = 2048;
